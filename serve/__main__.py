"""`python -m serve`, for a checkout: the same as `callproof serve`."""

from callproof.errors import exit_with

from .cli import main

if __name__ == "__main__":
    exit_with(main)
