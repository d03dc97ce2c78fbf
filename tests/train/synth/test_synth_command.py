import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def synth(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "train", "synth", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_committed_sessions_are_what_the_generator_writes_whatever_the_hash_seed() -> None:
    done = synth("--check", hash_seed="7")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("up to date") == 4


def test_a_changed_file_is_found_out_of_date_and_written_anew(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "datasets" / "insurance", tmp_path / "insurance")
    file = tmp_path / "insurance" / "sessions" / "eval.jsonl"
    original = file.read_bytes()
    file.write_bytes(original.replace(b"policy", b"polizza", 1))
    where = ("--domain", "insurance", "--datasets", str(tmp_path))
    stale = synth("--check", *where)
    assert stale.returncode == 1
    assert "eval.jsonl: out of date" in stale.stderr
    assert synth(*where).returncode == 0
    assert file.read_bytes() == original


def test_an_unknown_domain_is_a_line_that_names_the_known_ones() -> None:
    done = synth("--domain", "pets")
    assert done.returncode == 2
    assert done.stderr == "error: --domain: there is no domain 'pets'; choose from car_sales, insurance\n"


def test_a_folder_without_domains_is_a_one_line_error(tmp_path: Path) -> None:
    done = synth("--datasets", str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
