"""An adapter that changes nothing: a copy of another one with zeros in place of its B matrices."""

import json
import re
import shutil
from pathlib import Path

from callproof.errors import UserError

_B = re.compile(r"\.lora_B\.weight$|\.lora_embedding_B$")


def write_identity(adapter: Path, folder: Path) -> None:
    """Write the copy of `adapter` to `folder`; raises a UserError where there is no safetensors file."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(adapter / "adapter_config.json", folder / "adapter_config.json")
    weights = adapter / "adapter_model.safetensors"
    (folder / weights.name).write_bytes(_zeroed(weights.read_bytes(), weights))


def _zeroed(content: bytes, where: Path) -> bytes:
    """The safetensors file: 8 bytes of length, a JSON header of that length, and the tensors' bytes."""
    begin = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:begin])
        spans = [tensor["data_offsets"] for name, tensor in header.items() if _B.search(name)]
    except (ValueError, LookupError, TypeError):
        raise UserError(where, "is no safetensors file", "train again") from None
    data = bytearray(content)
    for start, end in spans:
        data[begin + start : begin + end] = bytes(end - start)
    return bytes(data)
