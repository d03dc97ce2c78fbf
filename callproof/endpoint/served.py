"""The names that an endpoint serves, as far as it lists them."""

import difflib
from collections.abc import Iterable

from callproof.errors import UserError

from .endpoint import Endpoint


async def require_models(endpoint: Endpoint, names: Iterable[str]) -> None:
    """Raise a UserError unless the endpoint is up and serves every one of `names`, or lists no models."""
    served = [card["id"] for card in await endpoint.models()]
    for name in names:
        served_name(name, served, f"--model {name}", endpoint.root)


def served_name(name: str, served: Iterable[str], where: str, root: str) -> str:
    """Return `name`, one of the `served` models; where none is listed, any name is taken.

    Raises:
        UserError: it is not served; the error at `where` suggests the nearest name.
    """
    served = list(served)
    if name in served or not served:
        return name
    near = difflib.get_close_matches(name, served, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(where, f"is not served at {root}", f"{meant}served there: {', '.join(served)}")
