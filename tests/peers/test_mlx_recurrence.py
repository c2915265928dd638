"""mlx-recurrence's tests, from its sdist, with its kernels made by loader.metal_kernel."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_its_own_tests_pass(sdist):
    """Without the plugin a kernel would raise: MLX runs none on a CPU."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "plugin"],
        cwd=sdist("mlx-recurrence", "0.3.0"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])},
        capture_output=True,
        text=True,
    )
    assert "\n45 passed in " in done.stdout, done.stdout + done.stderr
