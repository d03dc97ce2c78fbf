"""The HTTP interface; docs/howto/service.md has it for people, /openapi.json for programs."""

import asyncio
import shutil
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from callproof.errors import cause_of

from .docs_page import HEADERS, docs_page
from .guard import Guard
from .jobs import Job
from .request.flat import FlatConfig
from .request.order import BadOrder
from .request.upload import BadUpload, TooLarge, Upload, drain
from .runner import Busy
from .views import JobView, Refusal, Service, Status

FOLLOW_S = 0.25
_BESIDE = 2**21
"""Bytes of a body beside the file: the part `config`, and boundaries."""


def make_app(service: Service) -> Any:
    """The ASGI application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.jobs.remove_stale()
        service.runner.look()
        watch = threading.Thread(target=service.runner.watch, daemon=True)
        watch.start()
        yield
        service.runner.stop()
        await run_in_threadpool(watch.join)

    app = FastAPI(title="callproof train service", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _http_error)
    _add_training(app, service)
    _add_jobs(app, service)
    html = docs_page(app)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(html, headers=HEADERS)

    return Guard(app, service.names, service.key)


def _add_training(app: FastAPI, service: Service) -> None:
    @app.post("/train", status_code=202, openapi_extra=_FORM, responses=_responses(401, 403, 409, 413, 422, 500))
    async def train(request: Request) -> JobView:
        """Start a training on the uploaded sessions."""
        return await _train(service, request)

    @app.get("/status", response_model_exclude_none=True, responses=_responses(401, 403))
    def status() -> Status:
        """How the newest training goes."""
        return service.status()


def _add_jobs(app: FastAPI, service: Service) -> None:
    unknown = _responses(401, 403, 404)

    @app.get("/jobs", responses=_responses(401, 403))
    def jobs() -> list[JobView]:
        """All jobs, the newest first."""
        return [service.view(job) for job in service.jobs.newest_first()]

    @app.get("/jobs/{job_id}", responses=unknown)
    def job(job_id: str) -> JobView:
        """One job."""
        return service.view(_known(service, job_id))

    @app.get("/jobs/{job_id}/log", response_class=StreamingResponse, responses={**unknown, 200: _LOG})
    def log(job_id: str) -> StreamingResponse:
        """What the training says, until it is over."""
        return StreamingResponse(_follow(service, _known(service, job_id)), media_type="text/plain; charset=utf-8")

    @app.delete("/jobs/{job_id}", responses=_responses(401, 403, 404, 409))
    def cancel(job_id: str) -> JobView:
        """End a job that waits or trains; what it wrote stays, and it can be resumed."""
        job = _known(service, job_id)
        if service.runner.state(job)[0] not in ("queued", "training"):
            raise HTTPException(409, f"job {job.id} is over")
        service.runner.cancel(job)
        return service.view(job)

    @app.post("/jobs/{job_id}/resume", status_code=202, responses=_responses(401, 403, 404, 409))
    def resume(job_id: str) -> JobView:
        """Let a job that failed or was cancelled go on from its newest checkpoint."""
        job = _known(service, job_id)
        if service.runner.state(job)[0] not in ("error", "cancelled"):
            raise HTTPException(409, f"job {job.id} is not one that failed or was cancelled")
        with _refusals():
            return service.view(service.runner.resume(job))


def _known(service: Service, job_id: str) -> Job:
    if (job := service.jobs.get(job_id)) is None:
        raise HTTPException(404, f"there is no job {job_id[:80]!r}")
    return job


async def _train(service: Service, request: Request) -> JobView:
    """The steps of POST /train: room, upload, checks, start."""
    body = request.stream()
    with _refusals():
        try:
            await run_in_threadpool(service.runner.check_room)
            if int(request.headers.get("content-length", 0)) > service.max_upload + _BESIDE:
                raise TooLarge
            job = await _take_in(service, request, body)
        except (Busy, TooLarge, BadUpload):
            await drain(body)
            raise
        return await run_in_threadpool(service.view, job)


async def _take_in(service: Service, request: Request, body: AsyncGenerator[bytes]) -> Job:
    """Store what comes in a folder, and make it a job; a refused one leaves nothing."""
    folder = await run_in_threadpool(service.jobs.stage)
    try:
        upload = Upload(folder / "data.jsonl", service.max_upload)
        await upload.read(request.headers, body)
        return await run_in_threadpool(service.take_in, folder, bytes(upload.config), upload.file_name)
    except BaseException:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
        raise


@contextmanager
def _refusals() -> Iterator[None]:
    """What a request can run into, as the answer to it."""
    try:
        yield
    except Busy:
        raise HTTPException(409, "Training already in progress") from None
    except TooLarge:
        raise HTTPException(413, "the upload is larger than --max-upload, or the part config than 1 MiB") from None
    except (BadUpload, ClientDisconnect) as error:
        raise HTTPException(422, str(error) or "the client went away") from None
    except BadOrder as error:
        raise HTTPException(422, detail=error.faults) from None  # pyright: ignore[reportArgumentType]
    except OSError as error:
        raise HTTPException(500, f"the upload could not be stored ({cause_of(error)})") from None


async def _follow(service: Service, job: Job) -> AsyncIterator[bytes]:
    """The log from its beginning; it ends with the training."""
    position, over = 0, False
    while True:
        over = (await run_in_threadpool(service.runner.state, job))[0] not in ("queued", "training")
        while chunk := await run_in_threadpool(_read_at, job.log, position):
            position += len(chunk)
            yield chunk
        if over:
            return
        await asyncio.sleep(FOLLOW_S)


def _read_at(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read(2**16)
    except FileNotFoundError:
        return b""


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail: Any = error.detail
    return JSONResponse({"detail": detail if isinstance(detail, list) else [detail]}, error.status_code, error.headers)


def _responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Refusal} for code in codes}


_LOG: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "the log, streamed"}
_CONFIG = {
    "description": "the names of kkit-lora-server, or a whole configuration of callproof",
    "anyOf": [FlatConfig.model_json_schema(), {"type": "object", "required": ["name", "model"]}],
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["config", "file"],
                    "additionalProperties": False,
                    "properties": {"config": _CONFIG, "file": {"type": "string", "format": "binary"}},
                },
                "encoding": {"config": {"contentType": "application/json"}},
            }
        },
    }
}
