"""Requests for other load generators, and saved benches as Prometheus text."""
