"""Shared by all tests: which ops there are, and the marker of those that need a GPU."""

import mlx.core as mx
import pytest

import loader


def pytest_collection_modifyitems(items):
    if mx.default_device() != mx.Device(mx.gpu):
        skip = pytest.mark.skip(reason="needs a GPU that MLX can use")
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(skip)


def pytest_generate_tests(metafunc):
    """A test with an argument `op` runs for every op of the manifest."""
    if "op" in metafunc.fixturenames:
        names = loader.names()
        metafunc.parametrize("op", [loader.get(name) for name in names], ids=names)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden MSL units anew")
