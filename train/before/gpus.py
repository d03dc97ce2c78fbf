"""GPUs that a dry run knows by name, with their memory in GiB."""

from callproof.errors import UserError

GPUS = {"T4": 15.0, "L4": 22.5, "A10": 22.5, "RTX4090": 24.0, "RTX5090": 32.0, "L40S": 45.0, "A100": 80.0, "H100": 80.0,
        "H200": 140.0, "B200": 179.0}  # fmt: skip


def find_gpu(text: str) -> float:
    """The GiB of a GPU, given as a number or a name.

    Raises:
        UserError: neither.
    """
    known = {name.lower(): size for name, size in GPUS.items()}
    if text.lower() in known:
        return known[text.lower()]
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise UserError(
            f"--gpu {text}", "is neither GiB nor a known GPU", f"give a number, or one of {', '.join(GPUS)}"
        )
    return size
