"""The benchmark at a small size: it times what is right, refuses what is not, and adds up its bytes."""

import json
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import pytest

import loader
from tools.bench import cases, measure, report

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="there is no kernel to time")


@pytest.fixture(autouse=True)
def _metal_kernel(monkeypatch):
    """The benchmark leads other packages to our engine for good; other tests must not see that."""
    monkeypatch.setattr(mx.fast, "metal_kernel", mx.fast.metal_kernel)


@pytest.fixture
def case():
    return cases.make("rglru", 1, 64, {"D": 64}, "float32")


def test_rows_have_times_ratios_and_a_floor(case):
    case.contenders.pop("mlx-recurrence", None)
    cases.check(case)
    rows = measure.run(case, rounds=1)
    assert [(row.who, row.what) for row in rows] == [(w, p) for w in ("ours", "plain MLX") for p in measure.PASSES]
    assert all(row.milliseconds > 0 for row in rows) and rows[0].ratio == rows[1].ratio == 1
    assert rows[0].floor > 0 and rows[2].floor is None
    assert report.table(rows).count("\n") == 5


def test_floors_count_every_array_once_a_pass(case, monkeypatch):
    monkeypatch.setattr(measure, "_copy_bandwidth", lambda: 1.0)
    forward, both = measure._floors(case)
    array, state = 4 * 64 * 64, 4 * 64
    assert forward == 3 * array + 2 * state
    assert both == forward + 5 * array + 2 * state


def test_a_contender_that_is_wrong_is_not_timed(case):
    case.contenders["wrong"] = lambda a, b: mx.cumsum(b, axis=1)
    with pytest.raises(SystemExit, match="rglru B1 L64 D64: wrong differs from ours"):
        cases.check(case)


def test_command_line():
    command = [sys.executable, "-m", "tools.bench", "rglru", "--batch", "1", "--length", "32", "--dims", "D=32"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--json"], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    rows = json.loads(done.stdout)
    assert {"ours", "plain MLX", "mlx-recurrence"} == {row["who"] for row in rows}
    done = subprocess.run([*command[:3], "rglu"], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no op 'rglu'" in done.stderr
