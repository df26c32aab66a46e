"""Running the command as people do, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def scidex(*words: str, **environment: str) -> tuple[int, str, str]:
    """Run `scidex` to its end, and return its exit code, stdout and stderr."""
    ended = subprocess.run(
        [sys.executable, "-m", "scidex", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr
