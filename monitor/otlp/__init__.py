"""OpenTelemetry in: spans of GenAI calls become response records. The stages: reading → traces → assembly."""
