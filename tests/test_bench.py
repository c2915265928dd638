"""The benchmark at a small size: it refuses wrong results, times the others, and counts bytes."""

import json
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import pytest

import loader
from tools.bench import cases, growth, measure, report

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="there is no kernel to time")


@pytest.fixture(autouse=True)
def _metal_kernel(monkeypatch):
    """The benchmark makes other packages use our engine permanently; other tests must not see that."""
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


def test_an_op_of_several_outputs_and_its_own_dtypes():
    case = cases.make("gated_delta_chunk_state", 1, 70, {"H": 2, "Hk": 1, "Dk": 16, "Dv": 8}, "bfloat16")
    cases.check(case)
    assert [row.what for row in measure.run(case, rounds=1)] == [*measure.PASSES] * 2


def test_every_array_is_counted_once_a_pass(case):
    forward, both, saved = measure._bytes(case)
    array, state = 4 * 64 * 64, 4 * 64
    assert forward == 3 * array + 2 * state
    assert both == forward + 5 * array + 2 * state
    assert saved == state


def test_a_contender_that_is_wrong_is_not_timed(case):
    case.contenders["wrong"] = lambda a, b: mx.cumsum(b, axis=1)
    with pytest.raises(SystemExit, match="rglru B1 L64 D64: wrong differs from ours"):
        cases.check(case)


def test_growth_is_fitted_and_drawn(tmp_path):
    assert growth.fit({n: 3e-9 * n**1.5 for n in (64, 512, 1024, 4096)}) == pytest.approx(1.5)
    assert growth.fit({256: 1.0, 512: 2.0}) is None
    curves = growth.run("rglru", (512, 1024), 1, dict(batch=1, dims={"D": 32}, dtype="float32"))
    found = {curve.who: curve for curve in curves}
    assert list(found[cases.OURS].seconds) == [512, 1024] and found[cases.OURS].exponent is not None
    assert list(found[cases.PLAIN].seconds) == [512] and found[cases.PLAIN].exponent is None
    assert growth.table(curves).splitlines()[0].startswith("| op | who | L 512 | L 1024 |")
    growth.draw(tmp_path / "growth.png", curves, "a test")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_an_input_gets_the_shape_that_is_asked_for():
    case = cases.make("gla", 1, 16, {"H": 2, "Hk": 1, "Dk": 8, "Dv": 8}, "float32", {"g": 1})
    assert case.inputs["g"].shape == (1, 16, 2, 8) and "g[1, 16, 2, 8]" in case.label
    assert "mlx-recurrence" not in case.contenders


def test_command_line():
    command = [sys.executable, "-m", "tools.bench", "rglru", "--batch", "1", "--length", "32", "--dims", "D=32"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--json"], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    rows = json.loads(done.stdout)
    assert {"ours", "plain MLX", "mlx-recurrence"} == {row["who"] for row in rows}
    done = subprocess.run([*command[:3], "rglu"], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no op 'rglu'" in done.stderr
