"""What a request asks for: the part `config`, either way of writing it, as one checked configuration of callproof.

Of a whole configuration only `ALLOWED` is taken. A key beside it may stand at its default; another value is refused by
name, since it would run code, read a file, or send something from the machine of the service.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from callproof.calls import RefusedJSON, decode
from callproof.config import RunConfig, nearest_key, no_key

from ..jobs import Jobs, occupied
from .flat import FlatConfig, Translation, adapter_under, translate
from .places import NotHere, base_model, checked_name, folder_under

ALLOWED: dict[str, frozenset[str]] = {
    "name": frozenset(),
    "data": frozenset("domain eval eval_share session_key thinking unrenderable max_context_length".split()),
    "prompt": frozenset("catalog timezone date_line shuffle_sections shuffle_tools template_kwargs".split()),
    "model": frozenset(
        "base_model name revision dtype attn_implementation quantization lora_path chat_template".split()
    ),
    "lora": frozenset("r alpha dropout target_modules use_rslora init rank_pattern alpha_pattern".split()),
    "train": frozenset(
        "seed num_train_epochs max_steps per_device_train_batch_size gradient_accumulation_steps learning_rate "
        "lr_scheduler_type warmup_ratio adam_beta2 weight_decay max_grad_norm gradient_checkpointing loss_weights bf16 "
        "packing logging_steps save_steps save_total_limit eval_steps eval_strategy save_strategy "
        "per_device_eval_batch_size metric_for_best_model "
        "early_stopping_patience".split()
    ),
    "serve": frozenset("tool_call_parser reasoning_parser max_model_len".split()),
    "eval": frozenset("turns max_sessions max_tokens max_answer_mib".split()),
    "gate": frozenset("margins floors slice_floors max_infra_error_rate min_sessions".split()),
}
_SHOWN = 60


class BadOrder(Exception):
    """A request that cannot be trained; `faults` names all that is wrong with it, `place: problem` each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True)
class Order:
    """A checked request: the configuration, which trains the upload, and what the client is told about it."""

    config: RunConfig
    notes: tuple[str, ...]
    flat: bool


def read_order(text: bytes, jobs: Jobs, job_id: str, upload: Path) -> Order:
    """The order in the part `config`; its paths are those that the job `job_id` will have.

    Args:
        upload: where the sessions lie when the training begins.

    Raises:
        BadOrder: it is no JSON object, or something in it is refused.
    """
    value = _object(text)
    flat = not set(value) & set(RunConfig.model_fields)
    made = _flat(value, jobs, job_id) if flat else _whole(value, jobs)
    values, folder = made.values, upload.parent
    if values and not made.faults:
        usual = {"domain": str(folder / "domain"), "eval": str(upload)}
        data = _between(usual, values.get("data"), {"train": str(upload)})
        if isinstance(data, dict) and data.get("eval_share"):
            del data["eval"]
        values |= {"data": data, "train": _between({}, values.get("train"), {"output_dir": str(folder / "run")})}
        made.faults += _faults(RunConfig, values)
    if isinstance(name := values.get("name"), str):
        made.faults += _name_faults(jobs, name, "model_save_path" if flat else "name")
    if made.faults:
        raise BadOrder(f"config.{fault}" for fault in made.faults)
    return Order(RunConfig.model_validate(values), tuple(made.notes), flat)


def _between(usual: dict[str, Any], section: Any, fixed: dict[str, Any]) -> Any:
    """A section over what it has usually and under what it always has; what is no section stays, to be refused."""
    return {**usual, **(section or {}), **fixed} if section is None or isinstance(section, dict) else section


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadOrder([f"config: is not UTF-8 (byte {error.start})"]) from None
    except RefusedJSON as error:
        raise BadOrder([f"config: malformed JSON ({error})"]) from None
    if not isinstance(value, dict):
        raise BadOrder([f"config: expected a JSON object, got {type(value).__name__}"])
    return value


def _flat(value: dict[str, Any], jobs: Jobs, job_id: str) -> Translation:
    if faults := _faults(FlatConfig, value):
        return Translation(faults=faults)
    flat = FlatConfig.model_validate(value)
    name = job_id if flat.model_save_path is None else flat.model_save_path
    return translate(flat, jobs.base, name)


def _whole(value: dict[str, Any], jobs: Jobs) -> Translation:
    """A configuration with the paths resolved that it may name; what it may not name is in the faults."""
    made = Translation(faults=list(_refused(value)))
    made.values = {section: _allowed(section, part) for section, part in value.items() if section in ALLOWED}
    made.faults += [_unknown(RunConfig, (key,)) for key in value if key not in RunConfig.model_fields]
    data, model = (part if isinstance(part := made.values.get(key), dict) else {} for key in ("data", "model"))
    resolved = {
        "model.base_model": (model, lambda name: base_model(jobs.base, name)),
        "model.lora_path": (model, lambda path: str(adapter_under(jobs.base, path))),
        "data.domain": (data, lambda path: str(folder_under(jobs.base, path))),
    }
    for key, (section, resolve) in resolved.items():
        last = key.partition(".")[2]
        if isinstance(text := section.get(last), str):
            try:
                section[last] = resolve(text)
            except NotHere as error:
                made.faults.append(f"{key}: {error}")
    if model.get("chat_template") not in (None, "hermes"):
        made.faults.append("model.chat_template: a request may name hermes only, no file")
    if "base_model" not in model:
        made.faults.append("model.base_model: expected a model, got none")
    _resolve_eval(made, data, jobs.base)
    return made


def _resolve_eval(made: Translation, data: dict[str, Any], base: Path) -> None:
    """Sessions to evaluate on lie in the domain; without a domain the upload is what is measured."""
    source = data.pop("eval", None)
    if "domain" not in data:
        if source is not None:
            made.faults.append("data.eval: names a file of data.domain, and there is none")
        made.values.setdefault("data", data)
        return
    file = Path(str(data["domain"]), str(source or "sessions/eval.jsonl"))
    if source is None and not file.is_file():
        return
    inside = file.resolve().is_relative_to(base)
    plain = isinstance(source, str | None) and not str(source or "").startswith(("hf:", "/", ".")) and file.is_file()
    if inside and plain:
        data["eval"] = str(file)
    else:
        made.faults.append(f"data.eval: expected a file of data.domain, got {source!r:.60}")


def _refused(value: dict[str, Any]) -> Iterable[str]:
    """The keys that exist, are not at their defaults, and are none of a request's."""
    defaults = to_jsonable_python(RunConfig.model_construct(name="", data=None).model_dump(warnings=False))
    defaults["data"] = {"train": "sessions/train.jsonl"}
    for section, part in value.items():
        known = RunConfig.model_fields[section].annotation if section in RunConfig.model_fields else None
        if not (isinstance(part, dict) and isinstance(known, type) and issubclass(known, BaseModel)):
            continue
        for key, inner in part.items():
            ours = key in known.model_fields and key not in ALLOWED.get(section, ())
            if ours and inner != defaults[section].get(key):
                yield f"{section}.{key}: is not taken from a request; leave it out"


def _allowed(section: str, part: Any) -> Any:
    """A section without the keys that stand at their defaults and are not a request's; unknown keys stay."""
    known = RunConfig.model_fields[section].annotation
    if not (isinstance(part, dict) and isinstance(known, type) and issubclass(known, BaseModel)):
        return part
    return {key: inner for key, inner in part.items() if key in ALLOWED[section] or key not in known.model_fields}


def _faults(model: type[BaseModel], values: dict[str, Any]) -> list[str]:
    """All that is wrong with the values, not only the first."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        return [_fault(model, problem) for problem in error.errors(include_url=False, include_context=False)]
    return []


def _fault(model: type[BaseModel], problem: Any) -> str:
    place = tuple(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return _unknown(model, place)
    if problem["type"] == "missing":
        return f"{'.'.join(place)}: is missing"
    return f"{'.'.join(place)}: {problem['msg']}, got {repr(problem.get('input'))[:_SHOWN]}"


def _unknown(model: type[BaseModel], place: tuple[str, ...]) -> str:
    if reason := no_key(model, place):
        return f"{'.'.join(place)}: no such key: {reason}"
    near = nearest_key(model, place)
    return f"{'.'.join(place)[:200]}: unknown key" + (f"; did you mean {near!r}?" if near else "")


def _name_faults(jobs: Jobs, name: str, key: str) -> list[str]:
    try:
        problem = occupied(jobs.place(checked_name(name)))
    except NotHere as error:
        return [f"{key}: {error}"]
    return [f"{key}: {name!r} {problem}"] if problem else []
