"""Watches a video: decodes it as a stream, finds its scenes, looks at chosen frames, and says what each stretch shows."""
