"""How what is read of a record is refused."""

from typing import NoReturn

from callproof.errors import UserError

_MEND = "see docs/reference/data.md for the forms"


def refuse(place: str, problem: str, mend: str = _MEND) -> NoReturn:
    """Raise a UserError."""
    raise UserError(place, problem, mend)


def kind(value: object) -> str:
    """The type of a JSON value, as an error names it."""
    return "nothing" if value is None else type(value).__name__
