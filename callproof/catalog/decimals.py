"""Numbers as they are written, not as floats round them."""

from fractions import Fraction


def decimal(number: float) -> Fraction:
    """The number exactly as JSON writes it: 0.1 is a tenth, and 19.99 less 19.98 is 0.01."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))
