"""Our ops against the four references of mlx-recurrence, loops over time in MLX's operations."""

import mlx_recurrence
import pytest
from peer import normal, uniform
from references import compare

import loader

B = 2

each_length = pytest.mark.parametrize("length", [1, 7, 200])


def only(function):
    """As a function that returns a tuple."""
    return lambda *arrays: (function(*arrays),)


@each_length
def test_rglru(length):
    arrays = {"a": uniform(B, length, 33), "x": normal(B, length, 33)}
    compare(only(loader.get("rglru")), only(mlx_recurrence.rglru_scan_reference), arrays)


@each_length
def test_rotlru(length):
    gates = {name: uniform(B, length, 17) for name in ("a", "cos", "sin")}
    arrays = gates | {"x": normal(B, length, 34)}
    compare(only(loader.get("rotlru")), only(mlx_recurrence.rotlru_scan_reference), arrays)


@each_length
def test_ssd(length):
    H, Dh, N = 3, 20, 9
    arrays = {
        "u": normal(B, length, H, Dh),
        "delta": 0.2 * uniform(B, length, H),
        "B": normal(B, length, H, N),
        "C": normal(B, length, H, N),
        "A": -0.5 - uniform(H, N),
    }
    compare(only(loader.get("ssd")), only(mlx_recurrence.ssd_scan_reference), arrays)


@each_length
def test_gla(length):
    H, Dh = 3, 20
    arrays = {name: normal(B, length, H, Dh) for name in "qkv"} | {"g": uniform(B, length, H)}
    compare(only(loader.get("gla")), only(mlx_recurrence.gla_scan_reference), arrays)
