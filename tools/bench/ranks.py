"""The environment of processes on this machine that talk by MLX's ring or by NCCL."""

import json
import socket


def environments(count, network, folder):
    """The environment of each of `count` ranks of the network "ring" or "nccl"; the ring's hosts go to a file in
    `folder`. With NCCL each rank has its own GPU."""
    made = _nccl(count) if network == "nccl" else _ring(count, folder)
    return [{**shared, "MLX_RANK": str(rank)} for rank, shared in enumerate(made)]


def _ring(count, folder):
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(count)]))
    return [{"MLX_HOSTFILE": str(hosts)}] * count


def _nccl(count):
    """Without multicast over NVLink, which needs rights that containers often lack."""
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
