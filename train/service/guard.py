"""Who may ask: no other site in a browser, no other host name, and where a key is set nobody without it."""

import hmac
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from callproof.console.own_site import is_foreign

OPEN = ("/docs", "/openapi.json")
"""What is the same for everybody, and needs no key."""


class Guard:
    """Refuses requests before anything of them is read: 403 from another site, 401 without the key.

    Args:
        app: the ASGI application behind it.
        names: the host names that the service answers to; None: any, for then it has a key.
        key: None where none is needed.
    """

    def __init__(self, app: Any, names: Collection[str] | None, key: str | None) -> None:
        self._app, self._names, self._key = app, names, key

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(Headers(scope=scope), scope["path"])):
            await refusal(scope, receive, send)
        elif scope["type"] in ("http", "lifespan"):
            await self._app(scope, receive, send)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        foreign = is_foreign(headers.get("host", ""), headers.get("origin"), self._names)
        if foreign or headers.get("sec-fetch-site") == "cross-site":
            return JSONResponse({"detail": ["the service answers to its own address only"]}, 403)
        if self._key is None or path in OPEN:
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode(), self._key.encode()):
            return None
        detail = ["the key of the service is needed: Authorization: Bearer KEY"]
        return JSONResponse({"detail": detail}, 401, headers={"WWW-Authenticate": "Bearer"})
