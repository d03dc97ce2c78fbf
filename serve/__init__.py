"""Configurations and their adapters -> one checked vLLM configuration -> one running vLLM server."""
