"""Every kernel of the manifest compiles as CUDA C++, by NVRTC, which needs no GPU."""

import itertools

import mlx.core as mx
import nvrtc
import pytest
from oracle import draw, dtype_mixes, rank_sets

import loader
from loader import manifest
from loader.backends import cuda
from loader.op import Op

pytestmark = pytest.mark.skipif(nvrtc.folder() is None, reason="needs the extra nvrtc")
SPECS = manifest.load(loader._PATH)


@pytest.fixture
def recorder(monkeypatch):
    recorder = nvrtc.Recorder()
    monkeypatch.setattr(mx.fast, "cuda_kernel", recorder)
    return recorder


def launch(op, inputs):
    """Launch all kernels of both passes on what stands in for arrays."""
    options = tuple(option.default for option in op.spec.options)
    results = op.run_forward(inputs, options)
    plan = op.plan(inputs, options)
    arrays = {**inputs, **op._scalars(options)}
    arrays.update((array.name, x) for array, x in zip(plan.results, results))
    arrays.update((f"grad_{a.name}", mx.zeros_like(x)) for a, x in zip(op.spec.outputs, results))
    for step in plan.backward:
        step.run(arrays)


@pytest.mark.parametrize("name", SPECS)
def test_compiles(name, recorder):
    """In float32 with all optional inputs and with none, and in one mix of dtypes."""
    op = Op(SPECS[name], cuda)
    everything = [array.name for array in op.spec.optional]
    mixes = dtype_mixes(op)
    for (present, mix), length, ranks in itertools.product(
        (((), mixes[0]), (everything, mixes[-1])), (1, 64), rank_sets(op)
    ):
        launch(op, draw(op, {"B": 2, "L": length, **op.spec.examples[-1]}, present, mix, ranks=ranks))
    kernels = {step.kernel.rpartition("/")[2] for step in op.spec.steps}
    assert len(recorder.units) >= len(kernels)
    log = nvrtc.compile_all(recorder.units)
    assert not log, log[:2000]
