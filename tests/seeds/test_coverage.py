"""Tests report their coverage, as seed 000 has it."""

import subprocess
import sys
from pathlib import Path

from programs import ROOT


def test_the_suite_reports_coverage(tmp_path: Path) -> None:
    options = ["--cov=callproof.records", f"--cov-report=html:{tmp_path}/html", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/callproof/test_folders.py", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "COVERAGE_FILE": str(tmp_path / "data")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "records.py" in (tmp_path / "html" / "index.html").read_text()
