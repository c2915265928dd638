"""Several processes on this machine that talk by MLX's ring, and what they find when they run a suite."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def start(count, *arguments, backend=None):
    """Run `python -m ranks.worker` with these arguments as `count` ranks, and wait: their exit codes, what each printed
    last, read as JSON where it is, and what each complained of."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "peers")))}
    environment |= {"LOADER_BACKEND": backend} if backend else {}
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder) / "hosts.json"
        hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(count)]))
        # MLX's compiler of CPU kernels writes the same files in each process: a folder of its own for each.
        places = [tempfile.mkdtemp(dir=folder) for _ in range(count)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "ranks.worker", *arguments],
                env={**environment, "MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts), "TMPDIR": places[rank]},
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


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _read(text):
    lines = text.strip().splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else text
