"""vLLM's own check of an adapter (`PEFTHelper.validate_legal`), in a subprocess, since importing vLLM is slow."""

import subprocess
import sys
from pathlib import Path

from callproof.config import MEND, allowed_rank
from callproof.errors import UserError

TIMEOUT_S = 600
_SCRIPT = """
import sys
from types import SimpleNamespace
from vllm.lora.peft_helper import PEFTHelper
for folder in sys.argv[2:]:
    try:
        helper = PEFTHelper.from_local_dir(folder, None)
        helper.validate_legal(SimpleNamespace(max_lora_rank=int(sys.argv[1])))
        print("accepted")
    except ValueError as error:
        print("refused: " + " ".join(str(error).split()))
"""


def vllm_verdicts(folders: list[Path], max_rank: int) -> list[str]:
    """vLLM's verdict on each adapter folder: `accepted`, or `refused: <why>`.

    Raises:
        UserError: vLLM is not installed, fails, or takes longer than `TIMEOUT_S`.
    """
    command = [sys.executable, "-c", _SCRIPT, str(max_rank), *map(str, folders)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise UserError("vLLM", f"gave no verdict in {TIMEOUT_S} s", "set train.check_with_vllm to false") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith(("accepted", "refused: "))]
    if done.returncode or len(lines) != len(folders):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError("vLLM", f"cannot check adapters ({last})", "set train.check_with_vllm to false")
    return lines


def ask_vllm(folder: Path, rank: int) -> None:
    """Raise a UserError where vLLM refuses the adapter on a server made for its rank."""
    [verdict] = vllm_verdicts([folder], allowed_rank(rank))
    if verdict != "accepted":
        raise UserError(folder, f"vLLM refuses this adapter ({verdict.removeprefix('refused: ')})", MEND)
