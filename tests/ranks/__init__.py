"""Several processes on this machine that talk by MLX's ring or by NCCL, and what they find when they run a suite."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def start(count, *arguments, backend=None, network="ring"):
    """Run `python -m ranks.worker` with these arguments as `count` ranks, and wait: their exit codes, what each printed
    last, read as JSON where it is, and what each complained of. With the network "nccl" a rank has a GPU of its own."""
    places = [TESTS.parent, TESTS, TESTS / "peers", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    environment |= {"LOADER_BACKEND": backend} if backend else {}
    with tempfile.TemporaryDirectory() as folder:
        settings = (_nccl if network == "nccl" else _ring)(count, Path(folder))
        # MLX's compiler of CPU kernels writes the same files in each process: a folder of its own for each.
        temporary = [tempfile.mkdtemp(dir=folder) for _ in range(count)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "ranks.worker", network, *arguments],
                env={**environment, **settings[rank], "MLX_RANK": str(rank), "TMPDIR": temporary[rank]},
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


def _ring(count, folder):
    """The environment of each rank."""
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(count)]))
    return [{"MLX_HOSTFILE": str(hosts)}] * count


def _nccl(count, _):
    """The environment of each rank. Multicast over NVLink needs rights that containers often lack."""
    (port,) = _free_ports(1)
    shared = {"NCCL_HOST_IP": "127.0.0.1", "NCCL_PORT": str(port), "NCCL_NVLS_ENABLE": "0"}
    shared |= {"MLX_WORLD_SIZE": str(count)}
    return [{**shared, "CUDA_VISIBLE_DEVICES": str(rank)} for rank in range(count)]


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
