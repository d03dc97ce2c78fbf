"""Packages that come with an extra: what to say where one is not installed."""

from pathlib import Path

from callproof.errors import UserError

EXTRAS = {
    **dict.fromkeys(
        "torch transformers trl peft datasets accelerate huggingface_hub safetensors tokenizers tqdm".split(), "train"
    ),
    **dict.fromkeys("fastapi starlette uvicorn multipart python_multipart".split(), "service"),
    "vllm": "serve",
}
"""Name in an import -> the extra that brings it."""


def missing_package(error: ImportError, where: str) -> UserError | None:
    """The error to raise for an import that failed because an extra is not installed; None for any other.

    A folder of a package's name in the working directory (`datasets/`) is imported in its place where it is missing,
    and has nothing in it: that is said too.
    """
    package = (error.name or "").split(".")[0]
    extra = EXTRAS.get(package)
    shadowed = not isinstance(error, ModuleNotFoundError) and error.path is None
    if extra is None or not (isinstance(error, ModuleNotFoundError) or shadowed):
        return None
    folder = f", and the folder {package}/ here is no such package" if Path(package).is_dir() else ""
    problem = f"needs the package {package}, which is not installed{folder}"
    return UserError(where, problem, f"pip install 'callproof[{extra}]'")
