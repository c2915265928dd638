"""The own tests of mlx-recurrence, which its sdist holds, with its kernels made by loader.metal_kernel."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE, VERSION = "mlx-recurrence", "0.3.0"
FOLDER = f"mlx_recurrence-{VERSION}"


@pytest.fixture
def sdist(request, tmp_path):
    """The folder of the sdist, unpacked; pytest's cache keeps the archive."""
    archive = request.config.cache.mkdir("sdists") / f"{FOLDER}.tar.gz"
    if not archive.exists():
        options = ["--quiet", "--no-deps", "--no-binary", PACKAGE, "--dest", archive.parent]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{PACKAGE}=={VERSION}"], check=True)
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    return tmp_path / FOLDER


def test_its_own_tests_pass(sdist):
    """Without the plugin a kernel would raise: MLX runs none on a CPU."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "plugin"],
        cwd=sdist,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])},
        capture_output=True,
        text=True,
    )
    assert "\n45 passed in " in done.stdout, done.stdout + done.stderr
