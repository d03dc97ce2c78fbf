"""Adapters whose base is named otherwise than here: a quantised copy, a path of another machine, another folder."""

from pathlib import Path
from typing import Any

from callproof.config import ModelConfig, template_sha256
from callproof.errors import UserError
from callproof.records import read_object
from callproof.turns import ServedTemplate, chat_template

from .adapter_sources import Source

MEND = "name the base it was trained on, or train again"


def compared(source: Source, served: ServedTemplate | None) -> str:
    """Compare vocabulary and chat template that lie beside an adapter with those of the base it is to be served on.

    Its matrices are compared by `check_adapter_folder`.

    Returns:
        A line that says what was compared.

    Raises:
        UserError: a vocabulary or a template differs.
    """
    base = source.config.model.base_model
    vocabulary = _vocabulary(source, base)
    template = _template(source, served)
    return (
        f"{source.name}: trained on {source.trained_on!r}, served on {base!r} as --base says: its matrices have "
        f"the base's modules and shapes; vocabulary {vocabulary}, chat template {template}"
    )


def _vocabulary(source: Source, base: str) -> str:
    own, served = (Path(folder) / "tokenizer.json" for folder in (source.folder, base))
    if not (own.is_file() and served.is_file()):
        return "not recorded with it"
    mine, theirs = _ids(own), _ids(served)
    if mine != theirs:
        other = min(token for token, _ in mine.items() ^ theirs.items())
        raise UserError(own, f"has another vocabulary than {served} (such as {other!r})", MEND)
    return f"equal ({len(mine):,} tokens)"


def _ids(file: Path) -> dict[str, int]:
    """Token -> id of a `tokenizer.json`, added tokens included."""
    content: dict[str, Any] = read_object(file, "copy it again")
    try:
        vocabulary = content["model"]["vocab"]
        if isinstance(vocabulary, list):
            vocabulary = {token: number for number, (token, _) in enumerate(vocabulary)}
        return {**vocabulary, **{token["content"]: token["id"] for token in content.get("added_tokens") or ()}}
    except (LookupError, TypeError, ValueError):
        raise UserError(file, "holds no vocabulary of the tokenizers library", "copy it again") from None


def _template(source: Source, served: ServedTemplate | None) -> str:
    """What is known of its own template; a manifest's hash is compared for every adapter, in `plan`."""
    if served is None:
        return "of the base not known here"
    if source.manifest:
        return "equal"
    own = chat_template(ModelConfig(base_model=str(source.folder)))
    if own is None:
        return "not recorded with it"
    if template_sha256(own.text) != template_sha256(served.text):
        raise UserError(own.file, f"is another chat template than {served.file}", MEND)
    return "equal"
