"""Every kernel of the manifest as CUDA C++ without a GPU: NVRTC compiles it, `ptx` executes the result, and tests
compare it with the recurrence in float64."""

from types import SimpleNamespace

import mlx.core as mx
import nvrtc
import ptx
import pytest
from oracle import check, draw, model_dtypes, rank_sets
from ptx.emulator import Emulator

from loader.op import Op
from loader.portable import cuda

pytestmark = nvrtc.needed
HEADS = ("Dk", "Dv", "Dh", "N")


def cases(op, whole):
    """One step, and 70, with the required inputs in float32; whole, 70 steps with all inputs as models have them, in
    bfloat16 but for gates, with heads of whole tiles, and with the inputs of every rank."""
    odd = op.spec.examples[-1]
    if not whole:
        yield from (draw(op, {"B": 2, "L": length, **odd}) for length in (1, 70))
        return
    present, tiled = [array.name for array in op.spec.optional], {dim: 64 for dim in HEADS if dim in odd}
    for ranks in rank_sets(op):
        yield draw(op, {"B": 1, "L": 70, **odd, **tiled}, present, model_dtypes(op), ranks=ranks)


def others(op, whole):
    """Inputs of the other ranks, and of the sizes of all other examples, for kernels that `cases` have no use for."""
    present = [array.name for array in op.spec.optional if whole]
    for ranks, sizes in (
        *((ranks, op.spec.examples[-1]) for ranks in rank_sets(op)[1:]),
        *(({}, sizes) for sizes in op.spec.examples[:-1]),
    ):
        yield draw(op, {"B": 1, "L": 70, **sizes}, present, model_dtypes(op) if whole else {}, ranks=ranks)


def launch(op, inputs):
    """Launch all kernels of all passes on what stands in for arrays."""
    options = tuple(option.default for option in op.spec.options)
    results = op.run_forward(inputs, options)
    plan = op.plan(inputs, options)
    arrays = {**inputs, **op._scalars(options)}
    arrays.update((array.name, x) for array, x in zip(plan.results, results))
    arrays.update((f"grad_{a.name}", mx.zeros_like(x)) for a, x in zip(op.spec.outputs, results))
    for step in (*plan.backward, *plan.state, *plan.adjoint):
        step.run(arrays)


@pytest.mark.full("NVRTC and the emulator take up to a minute an op", but=("rglru",))
@pytest.mark.parametrize("whole", [True, False])
def test_every_kernel(op, whole, monkeypatch):
    engine = SimpleNamespace(
        NAME="cuda", LAZY=False, missing=lambda: None, ready=lambda arrays: True, build=cuda.build, prepare=cuda.prepare
    )
    recorder = nvrtc.Recorder()
    monkeypatch.setattr(mx.fast, "cuda_kernel", recorder)
    kernels = {step.kernel.rpartition("/")[2] for step in op.spec.steps}
    made = [*cases(op, whole)]
    for inputs in made:
        launch(Op(op.spec, engine), inputs)
    for inputs in others(op, whole):
        if len(recorder.units) >= len(kernels):
            break
        made.append(inputs)
        launch(Op(op.spec, engine), inputs)
    assert len(recorder.units) >= len(kernels)
    # Machine code, as MLX asks for, takes a quarter of the time: it is made of the kernels with all their inputs.
    architecture = "sm_90" if whole else "compute_90"
    emulator = Emulator(ptx.programs(nvrtc.compile_all(recorder.units, architecture)))
    monkeypatch.setattr(mx.fast, "cuda_kernel", emulator)
    for inputs in made:
        check(Op(op.spec, engine, op._reference), inputs)
    assert len(emulator.programs) == len(recorder.units)
