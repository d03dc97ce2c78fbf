"""`callproof train harvest`: what a run of evaluate got wrong, as sessions for the next training."""
