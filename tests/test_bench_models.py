"""`tools.bench --model`: every model at a tiny share, refusals of our ops in its rows, and wrong names."""

import subprocess
import sys

import mlx.core as mx
import pytest
from oracle import first

import loader
from tools.bench import kernels, layers, model_case, model_table, models

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="there is no kernel to time")


@pytest.mark.parametrize("name", models.MODELS)
def test_every_model_is_drawn_with_its_dtypes(name):
    model = models.MODELS[name]
    sizes = {"B": 1, "L": 3, **models.scaled(model, 0.05)}
    inputs = model_case.draw(model, loader.get(model.op), sizes, "bfloat16")
    assert {n for n, x in inputs.items() if x.dtype == mx.float32} == set(model.float32)
    assert set(model.optional) <= set(inputs) and all(mx.isfinite(x).all() for x in inputs.values())
    for unit in model.unit:
        assert mx.allclose(mx.linalg.norm(inputs[unit].astype(mx.float32), axis=-1), mx.array(1.0), atol=1e-2)


@pytest.mark.parametrize("name", first(1, ["recurrentgemma-9b", "qwen3-next"], "every size is programs of its own"))
def test_contenders_agree_and_are_timed(name):
    rows = model_table.run(name, 9, 0.02, "float32", 1, 1, ()).splitlines()
    assert rows[0].startswith(f"| {name} | float32 | ours |") and "differs" not in "".join(rows)


def test_what_the_op_refuses_is_in_the_row(monkeypatch):
    refused = models.Model("gated_delta", {"H": 1, "Hk": 1, "Dk": 300, "Dv": 8}, ("g", "beta"), {"g": 0})
    monkeypatch.setitem(models.MODELS, "too-wide", refused)
    assert "expected Dk" in model_table.run("too-wide", 4, 1.0, "float32", 1, 1, ())


def test_scaled_heads_stay_whole_groups():
    for model in models.MODELS.values():
        dims = models.scaled(model, 0.1)
        assert dims.get("H", 1) % dims.get("Hk", dims.get("G", 1)) == 0
        assert models.scaled(model, 1.0) == model.dims


def test_steps_of_a_model(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["kernels", *"--model mamba-2.8b --length 9 --scale 0.01 --rounds 1".split()])
    kernels.main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[2] for row in rows[:3]] == ["selective_scan/forward", "selective_scan/backward", "sum of A_parts"]
    assert all(float(row[3]) > 0 for row in rows) and rows[0][1] == "forward"


def test_a_wrong_name():
    done = subprocess.run([sys.executable, "-m", "tools.bench", "--model", "gpt"], capture_output=True, text=True)
    assert done.returncode == 2 and "invalid choice: 'gpt'" in done.stderr


@pytest.mark.parametrize("name", first(1, layers.LAYERS, "every size is programs of its own"))
def test_a_layer_and_a_token_of_it(monkeypatch, name):
    pytest.importorskip("mlx_lm")
    monkeypatch.setitem(layers.LAYERS, name, (layers.LAYERS[name][0], 64))
    rows = [layers.run(name, 1, 3, 1, decode, "float32") for decode in (False, True)]
    assert [row.count("\n") for row in rows] == [1, 0]
    assert "| training step |" in rows[0] and "| one token |" in rows[1]
