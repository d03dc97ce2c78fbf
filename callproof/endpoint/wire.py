"""HTTP as an endpoint is asked over it: no redirects, bodies of bounded size, one more try where a server hung up.

A server may announce a connection as kept and close it after an answer. The next request on it then fails before a byte
of an answer came, through no fault of its own, and is sent once more over a fresh connection.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from callproof.console.own_site import LOOPBACK

if TYPE_CHECKING:  # slow to import, and needed only where something is asked
    import aiohttp

KEEPALIVE_S = 4.0  # below the 5 s after which vLLM closes an idle connection
MAX_BODY = 16 * 2**20
"""Bytes of an answer, decompressed."""


def no_response() -> tuple[type[Exception], ...]:
    """What sending and reading raise where no response comes, or not all of it."""
    from aiohttp import ClientError

    return ClientError, OSError


class Oversized(OSError):
    """A body longer than the limit."""


class Redirected(OSError):
    """An answer that sends the request, and the conversation in it, to another place."""


class _Use:
    """Whether a request went over a connection that had been used before."""

    reused = False


class Wire:
    """An asynchronous context manager over two sessions: one keeps connections, one opens each anew.

    Proxies are those of the environment, except to this machine itself.

    Args:
        root: the URL of the server.
        timeout_s: of one request, in seconds, from sending to the last byte.
        authorization: the header's value, or None.
        max_body: bytes of a body, decompressed.
    """

    def __init__(self, root: str, timeout_s: float, authorization: str | None, max_body: int = MAX_BODY) -> None:
        import aiohttp

        self._trusts_environment = urlsplit(root).hostname not in LOOPBACK
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._headers = {"Authorization": authorization} if authorization else None
        self._max_body = max_body
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._kept = self._session(keepalive_timeout=KEEPALIVE_S)
        self._fresh = self._session(force_close=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in filter(None, (self._kept, self._fresh)):
            await session.close()

    def _session(self, **connector: Any) -> "aiohttp.ClientSession":
        import aiohttp

        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, **connector),
            timeout=self._timeout,
            headers=self._headers,
            trust_env=self._trusts_environment,
            trace_configs=[trace],
        )

    async def send(self, method: str, url: Any, **options: Any) -> "aiohttp.ClientResponse":
        """Send a request; returns when the head of the response is there. Use it as a context, and `read` its body.

        Raises:
            aiohttp.ClientError, OSError: no response, or one that points elsewhere (`Redirected`).
        """
        from aiohttp import ClientOSError, ServerDisconnectedError

        if self._kept is None or self._fresh is None:
            raise RuntimeError("use `async with`")
        use = _Use()
        try:
            response = await self._kept.request(method, url, allow_redirects=False, trace_request_ctx=use, **options)
        except (ServerDisconnectedError, ClientOSError):
            if not use.reused:
                raise
            response = await self._fresh.request(method, url, allow_redirects=False, **options)
        if response.status in range(300, 400):
            place = response.headers.get("Location", "")
            response.release()
            raise Redirected(f"HTTP {response.status} redirects to {_host(place)}, which is not asked")
        return response

    async def read(self, response: "aiohttp.ClientResponse") -> bytes:
        """The whole body; raises `Oversized` where it is too long."""
        return b"".join([piece async for piece in self.pieces(response)])

    async def pieces(self, response: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
        """The body as it comes; raises `Oversized` once it is too long."""
        left = self._max_body
        async for piece in response.content.iter_any():
            left -= len(piece)
            if left < 0:
                response.close()
                raise Oversized(f"the answer is longer than {self._max_body / 2**20:g} MiB (eval.max_answer_mib)")
            yield piece


async def _note_reuse(session: "aiohttp.ClientSession", context: Any, parameters: Any) -> None:
    del session, parameters
    if isinstance(context.trace_request_ctx, _Use):
        context.trace_request_ctx.reused = True


def _host(place: str) -> str:
    try:
        return urlsplit(place).netloc.rpartition("@")[2] or "another path"
    except ValueError:
        return "another place"
