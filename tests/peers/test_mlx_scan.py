"""mlx-scan's tests, from its sdist, with its `associative_scan` replaced by ours."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_its_own_tests_pass(sdist):
    folder = sdist("mlx-scan", "0.0.2")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "ours_in_mlx_scan"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder / "src", HERE, HERE.parents[1])))},
        capture_output=True,
        text=True,
    )
    assert "\n39 passed in " in done.stdout, done.stdout + done.stderr
