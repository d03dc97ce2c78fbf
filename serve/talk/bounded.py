"""The transport of chat and ui: bodies of bounded size and uncompressed, so that no server fills the memory."""

from collections.abc import AsyncIterator

from httpx2 import AsyncByteStream, AsyncHTTPTransport, ReadError, Request, Response


class BoundedTransport(AsyncHTTPTransport):
    """HTTP that breaks a response off with a `ReadError` where its body is compressed or has over `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(trust_env=False)
        self._limit = limit

    async def handle_async_request(self, request: Request) -> Response:
        response = await super().handle_async_request(request)
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            await response.aclose()
            raise ReadError(f"the answer is compressed ({encoding[:20]}), which was not asked for")
        assert isinstance(response.stream, AsyncByteStream)
        response.stream = _Bounded(response.stream, self._limit)
        return response


class _Bounded(AsyncByteStream):
    def __init__(self, stream: AsyncByteStream, limit: int) -> None:
        self._stream, self._left = stream, limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._left -= len(piece)
            if self._left < 0:
                raise ReadError("the answer is longer than eval.max_answer_mib")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
