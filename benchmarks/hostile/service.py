"""The training service: requests of every kind are refused or taken, never a 5xx; kills lose no training."""

import atexit
import json
import os
import shutil
import signal
import time
from functools import cache
from random import Random
from typing import Any

from service_client import QUICK, SKY, Part, Service, form, group_of

from . import ROOT
from .processes import workplace
from .trial import MARKS, Trial, dumped, json_value, plain_text, spoiled_text, spoiled_value

KILLS = 0.002
"""Share of trials that start a training and kill it or the service."""
BUDGET_S = 5.0
PATHS = ("/train", "/status", "/jobs", "/jobs/x", "/jobs/x/resume", "/jobs/../x", "/openapi.json", "/metrics", "/%00")
METHODS = ("GET", "POST", "POST", "DELETE", "PUT", "OPTIONS", "X")


def trial(rng: Random) -> Trial:
    """One request, or one training that something is killed of."""
    done = Trial()
    if rng.random() < KILLS:
        _kill(done, rng)
    else:
        _request(done, rng)
    return done


class _Place:
    """The service, started again after each kill on the same folder."""

    def __init__(self) -> None:
        self.base = workplace() / "base"
        shutil.copytree(ROOT / "models" / "tiny", self.base / "tiny")
        self.service = Service(self.base)


@cache
def _place() -> _Place:
    _PLACES.append(_Place())
    return _PLACES[-1]


_PLACES: list[_Place] = []


@atexit.register
def _close() -> None:
    """Stop what was started."""
    for place in _PLACES:
        place.service.close()


def _request(done: Trial, rng: Random) -> None:
    service, method, path = _place().service, rng.choice(METHODS), rng.choice(PATHS)
    body, kind = _body(rng)
    shown = (method, path, kind, body[:1500])
    answer = done.run(shown, lambda: service.ask(method, path, body, Content_Type=kind), budget_s=BUDGET_S)
    if answer is None:
        return
    done.counts[f"{answer.code // 100}xx"] += 1
    done.expect(answer.code < 500, f"HTTP {answer.code}: {str(answer.body)[:300]}", shown)
    done.expect("Traceback" not in str(answer.body), "a traceback", shown)
    if answer.code == 202 and path == "/train":
        service.ask("DELETE", f"/jobs/{answer.body['job_id']}")


def _body(rng: Random) -> tuple[bytes, str]:
    """A form with a configuration and data, one of them at least spoiled, and the type that is said of it."""
    config: Any = rng.choice((QUICK, {"name": "x", "model": {"base_model": "tiny"}}, json_value(rng)))
    config = spoiled_value(rng, config) if rng.random() < 0.7 else config
    data = spoiled_text(rng, SKY.decode(), MARKS).encode(errors="surrogatepass")
    text = spoiled_text(rng, dumped(rng, config), MARKS).encode(errors="surrogatepass")
    parts = [Part("config", text), Part("file", data, rng.choice(("data.jsonl", "../x", "", "a" * 300)))]
    body, kind = form(*rng.sample(parts, rng.choice((1, 2, 2, 2))), boundary="b" * 20)
    if rng.random() < 0.3:
        body = spoiled_text(rng, body.decode(errors="replace"), MARKS).encode(errors="replace")
    wrong = "application/json", "text/plain", plain_text(rng).encode("ascii", "ignore").decode().replace("\n", "")
    return body, kind if rng.random() < 0.8 else rng.choice(wrong)


def _kill(done: Trial, rng: Random) -> None:
    """Kill the service or the training; a service on the same folder knows the job, and brings it to its end."""
    place = _place()
    job = place.service.started(QUICK)
    time.sleep(rng.uniform(0, 6))
    group, whole = group_of(place.base), rng.random() < 0.5
    if whole:
        place.service.kill()
    if group and (not whole or rng.random() < 0.5):
        os.killpg(group, signal.SIGKILL)
    if whole:
        place.service = Service(place.base)
    done.counts["inputs"] += 1
    done.counts["kills"] += 1
    state = place.service.wait_for(job, "completed", "error")["status"]
    if state == "error":
        place.service.ask("POST", f"/jobs/{job}/resume")
        state = place.service.wait_for(job, "completed", "error")["status"]
    done.counts["losses"] += state != "completed"
    done.expect(state == "completed", "a training that was killed does not come to its end", json.dumps({"job": job}))
