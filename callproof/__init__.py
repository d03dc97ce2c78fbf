"""What training, serving, evaluation and bench must agree on, defined once."""
