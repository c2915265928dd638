"""Runs a suite in several processes on this machine that talk by MLX's ring or by NCCL."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench import ranks

TESTS = Path(__file__).resolve().parents[1]


def start(count, *arguments, backend=None, network="ring"):
    """Run `python -m ranks.worker` with these arguments as `count` ranks. Returns for each its exit code, last line,
    parsed if it is JSON, and standard error. With the network "nccl" each rank has its own GPU."""
    places = [TESTS.parent, TESTS, TESTS / "peers", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    environment |= {"LOADER_BACKEND": backend} if backend else {}
    with tempfile.TemporaryDirectory() as folder:
        settings = ranks.environments(count, network, Path(folder))
        # MLX's compiler of CPU kernels writes the same files in each process: a folder of its own for each.
        temporary = [tempfile.mkdtemp(dir=folder) for _ in range(count)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "ranks.worker", network, *arguments],
                env={**environment, **settings[rank], "TMPDIR": temporary[rank]},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        try:
            printed = [process.communicate(timeout=600) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    return [(p.returncode, _read(out), complaint) for p, (out, complaint) in zip(processes, printed)]


def _read(text):
    lines = text.strip().splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else text
