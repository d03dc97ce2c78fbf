"""Fuzz the training service's OpenAPI description with schemathesis, over real HTTP; no answer may be a 5xx.

    pip install schemathesis          # in an environment of its own: it is no dependency of callproof
    python benchmarks/fuzz_service.py --schemathesis /path/to/schemathesis --examples 200

The service runs on a new folder that holds the embedded base. Exits with schemathesis's code: 0 where it found nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemathesis", default="schemathesis", help="its program (default: on PATH)")
    parser.add_argument("--examples", default="100", help="requests to an operation (100)")
    parser.add_argument("--port", default="8765")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "models" / "tiny", Path(folder) / "tiny")
        command = [sys.executable, "-m", "train", "service", "--base-path", folder, "--port", args.port]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        service = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert service.stdout is not None
            url = service.stdout.readline().removeprefix("ready ").strip()
            fuzz = [args.schemathesis, "run", f"{url}/openapi.json", "--checks", CHECKS, "-n", args.examples]
            return subprocess.run([*fuzz, "--seed", "1"], cwd=folder).returncode
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    sys.exit(main())
