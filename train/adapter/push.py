"""Upload a trained adapter, with its model card, to the Hugging Face hub; or list what would be uploaded."""

from pathlib import Path
from typing import Any

from callproof.config import RunConfig, check_adapter_folder
from callproof.errors import UserError
from callproof.records import read_object

from .card import write_card
from .manifest import read_manifest

FINISHED = "give the folder of a finished run of evaluate"


def publish(config: RunConfig, run: Path | None = None, dry: bool = False) -> dict[str, Any]:
    """Write the card and upload the adapter's folder; with `dry` write the card alone, offline.

    Args:
        run: folder of a run of `evaluate`, whose metrics go into the card.

    Returns:
        `repo_id`, `private`, `files` (name -> bytes), and `commit` (URL; None with `dry`).

    Raises:
        UserError: there is no adapter, no repository is named, or the hub refuses.
    """
    folder, repo_id = config.adapter_dir, config.train.hub_model_id
    if not repo_id:
        raise UserError("train.hub_model_id", "says no repository", "set it, such as owner/name")
    manifest = read_manifest(config)
    check_adapter_folder(folder, config.model.base_model, config.model.revision)
    write_card(folder, config, manifest, _metrics(run, config.name) if run else None)
    files = {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    commit = None if dry else _upload(folder, repo_id, config.train.hub_private_repo)
    return {"repo_id": repo_id, "private": config.train.hub_private_repo, "files": files, "commit": commit}


def _upload(folder: Path, repo_id: str, private: bool) -> str:
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    api = HfApi()
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Adapter and model card")
    except (HTTPError, OSError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        mend = f"the adapter is safe in {folder}; upload it later: callproof train push"
        raise UserError(repo_id, f"upload failed ({type(error).__name__}: {reason})", mend) from None
    return done.commit_url


def _metrics(run: Path, name: str) -> dict[str, Any]:
    """Metric -> estimate of the adapter, from the metrics.json of a run."""
    file = run / "metrics.json"
    try:
        models = read_object(file, FINISHED)["models"]
        if name in models:
            return models[name]["metrics"]
    except (ValueError, LookupError, TypeError):
        raise UserError(file, "holds no metrics of a run", FINISHED) from None
    raise UserError(file, f"has no model {name!r}", f"models there: {', '.join(models)}")
