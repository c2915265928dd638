"""The pages about other packages: their code runs, and both calls in a row of a migration table agree."""

import importlib

import mlx.core as mx
import pytest
from documents import OF_PEERS, cells, run
from mlx.utils import tree_flatten

import loader

PAGE = "docs/migration.md"
ROWS = [
    (heading, module, *row)
    for heading, module in (("mlx-recurrence 0.3.0", "mlx_recurrence"), ("mlx-scan 0.0.2", "mlx_scan"))
    for row in cells(PAGE, heading)
]
FROM_TORCH = [ours for _, ours in cells(PAGE, "lrnnx 1.0.0")]


@pytest.fixture(scope="module")
def arrays():
    return run(PAGE)


@pytest.mark.parametrize("page", OF_PEERS)
def test_code_runs(page):
    run(page)


@pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs their kernels here")
@pytest.mark.parametrize("heading, module, theirs, ours", ROWS, ids=[row[2].partition(" lambda")[0] for row in ROWS])
def test_both_sides_agree(arrays, monkeypatch, heading, module, theirs, ours):
    monkeypatch.setattr(mx.fast, "metal_kernel", loader.metal_kernel)
    package = importlib.import_module(module)
    got = dict(tree_flatten({"": eval(ours, arrays)}))
    want = dict(tree_flatten({"": eval(theirs, {**arrays, **vars(package)})}))
    assert got.keys() == want.keys()
    for name, x in want.items():
        assert got[name].shape == x.shape
        assert mx.linalg.norm(got[name] - x) <= 1e-4 * mx.linalg.norm(x), name


def test_every_function_has_a_row(arrays):
    """All that mlx-recurrence and mlx-scan export but for what the page tells in sentences."""
    told = {"get_or_build_kernel", "parity_check", "check_segment_shape", "DEFAULT_SEG", "legacy"}
    for module in ("mlx_recurrence", "mlx_scan"):
        rows = {theirs.partition("(")[0] for _, name, theirs, _ in ROWS if name == module}
        assert set(importlib.import_module(module).__all__) - told <= rows


@pytest.mark.parametrize("ours", FROM_TORCH)
def test_what_stands_for_lrnnx_runs(arrays, ours):
    results = dict(tree_flatten({"": eval(ours, arrays)}))
    assert results and all(mx.isfinite(x).all() for x in results.values())
