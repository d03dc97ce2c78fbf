"""`python -m train`, for a checkout: the same as `callproof train`."""

from callproof.errors import exit_with

from .cli import main

if __name__ == "__main__":
    exit_with(main)
