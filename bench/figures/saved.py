"""Reads a bench's JSON back, for comparisons and exports. Keys that these do not need are ignored."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callproof.errors import UserError
from callproof.records import explain, read_text

from .stats import tpot_ms

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Saved(BaseModel):
    """Part of a saved bench; unknown keys, as later versions may add, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SavedRequest(Saved):
    """One request, see `bench.figures.stats.Sample`."""

    model: str
    started_s: Amount
    ttft_ms: Amount | None
    e2e_ms: Amount | None
    output_tokens: Annotated[int, Field(ge=0, le=2**53)]
    error: str | None
    delay_ms: float = Field(default=0.0, allow_inf_nan=False)

    def latency_ms(self, name: Literal["ttft", "tpot", "e2e"]) -> float | None:
        """A latency; in an open loop TTFT and E2E count from the time at which the request was due."""
        if name == "tpot":
            return tpot_ms(self.ttft_ms, self.e2e_ms, self.output_tokens)
        sent_to = self.ttft_ms if name == "ttft" else self.e2e_ms
        return None if sent_to is None else sent_to + self.delay_ms


class SavedLevel(Saved):
    """One level, or one block of a level that was run several times. `load`: the load in words."""

    load: str
    concurrency: int | None
    rate: Amount | None
    arrival: str | None
    live: int | None
    partial: bool
    duration_s: Amount
    overall: dict[str, Any]
    models: dict[str, dict[str, Any]]
    samples: tuple[SavedRequest, ...]


class SavedBench(Saved):
    """A file that `callproof bench` wrote.

    Attributes:
        turns: model -> digest of the ids of its turns.
        parser: what reads the calls, on the server and here.
        interleaved: a mark that two benches share if their blocks alternated.
    """

    schema_version: Literal[1]
    endpoint: str
    device: str
    note: str | None
    partial: bool
    loop: str
    arrival: str | None
    max_in_flight: int | None
    mix: dict[str, float] | None
    seed: int | None
    prefix_cache: str
    sampling: dict[str, Any]
    turns: dict[str, str]
    versions: dict[str, str | None]
    parser: dict[str, Any] | None = None
    interleaved: str | None = None
    levels: tuple[SavedLevel, ...] = Field(min_length=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The bench in a file.

        Raises:
            UserError: the file cannot be read, or holds no bench.
        """
        try:
            return cls.model_validate_json(read_text(path))
        except ValidationError as error:
            raise UserError(path, f"holds no bench ({explain(error)})", "give a file of `callproof bench`") from None
