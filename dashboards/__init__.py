"""The dashboard: a Streamlit application that speaks to the sidecar through its HTTP API and nothing else."""
