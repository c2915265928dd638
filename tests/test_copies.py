"""Copies and pickles of ops and of objects that hold them: an optimizer's average of a model, a worker's arguments."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import pytest
from test_manifest_ops import MANIFEST, reference

import loader


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.op, self.w = loader.get("rglru"), mx.arange(3)


def test_an_op_is_its_own_copy(op):
    assert copy.copy(op) is copy.deepcopy(op) is pickle.loads(pickle.dumps(op)) is op


def test_modules_that_hold_an_op():
    layer = Layer()
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert again is not layer and again.op is layer.op and again.w.tolist() == [0, 1, 2]


def test_the_backend_in_use_is_not_pickled_and_another_one_is():
    assert pickle.loads(pickle.dumps(loader.get("rglru", backend="metal"))).engine.NAME == "metal"
    assert loader.backend().encode() not in pickle.dumps(loader.get("rglru")) or loader.backend() == "metal"


def test_an_op_of_a_manifest_of_ones_own():
    mix = loader.load(MANIFEST, references={"mix": reference})["mix"]
    assert pickle.loads(pickle.dumps(mix)) is mix
    without = loader.load(MANIFEST)["mix"]
    assert pickle.loads(pickle.dumps(without)) is without is not mix
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(loader.load(MANIFEST, references={"mix": lambda **given: ()})["mix"])


def test_another_process_loads_it(tmp_path, monkeypatch):
    """From another folder than the one in which the manifest's path was written."""
    monkeypatch.chdir(MANIFEST.parent)
    mix = loader.load("manifest.yaml", references={"mix": reference})["mix"]
    (tmp_path / "ops").write_bytes(pickle.dumps([mix, mix, loader.get("gla")]))
    code = (
        "import pickle; mix, again, gla = pickle.load(open('ops', 'rb')); assert mix is again;"
        "import loader, mlx.core as mx; assert gla is loader.get('gla');"
        "print(mix.reference(mx.ones((1, 2, 4)), mx.full((4,), 3.0)).sum().item())"
    )
    paths = [str(Path(loader.__file__).parents[1]), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}; {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["24.0"], done.stderr
