"""Whether a browser's request comes from a server's own pages; any other site in the same browser is foreign.

A page of another site can send requests to a server of this machine, and by DNS rebinding even under its own name. Its
requests carry that name in `Host`, or its address in `Origin`. Clients that are no browser send no `Origin`.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_foreign(host: str, origin: str | None, names: Collection[str] | None = LOOPBACK) -> bool:
    """Whether to refuse a request.

    Args:
        host: its `Host` header.
        origin: its `Origin` header, if it has one.
        names: the names that the server answers to; None: to any, and `Origin` must still be the same host.
    """
    if names is not None and host_name(f"//{host}") not in names:
        return True
    return origin is not None and origin not in (f"http://{host}", f"https://{host}")


def host_name(url: str) -> str | None:
    """The host of a URL without its port; None of what is no URL."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
