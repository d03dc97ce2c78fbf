"""evaluate: turns are replayed against an endpoint, judged, scored, reported and gated."""
