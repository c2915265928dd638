"""Ours beside flash-linear-attention's Triton kernels on one NVIDIA GPU: one process, taking turns.

Needs what no extra installs beside MLX: pip install torch flash-linear-attention

python -m tools.bench.triton [--batch 8] [--length 4096] [--rounds 8]
python -m tools.bench.triton --model all [--length 8192] [--rounds 8] [--dtype bfloat16 float32]

The second is at the sizes of public models, mamba-ssm among the peers; a case that fails prints its error in its row.
"""

import argparse
import importlib

import mlx.core as mx
import numpy as np
import torch

from . import cases, measure, models, triton_models

# op: (module, function, the gate, whose logarithm they take)
THEIRS = {
    "rglru": ("fla.ops.hgrn", "chunk_hgrn", "a"),
    "gla": ("fla.ops.simple_gla", "chunk_simple_gla", "g"),
    "gated_delta": ("fla.ops.gated_delta_rule", "chunk_gated_delta_rule", "g"),
}
# With some versions of Triton their gated backward refuses Hopper because of wrong results; the time is still valid.
GUARD = ("fla.ops.common.chunk_o", "IS_NVIDIA_HOPPER")


def main():
    options = parse()
    if options.model:
        return triton_models.run(options)
    setattr(importlib.import_module(GUARD[0]), GUARD[1], False)
    print("| op | dtype | pass | ours ms | Triton ms | ours / Triton | outputs differ by |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for name in options.ops:
        for dtype in ("float32", "bfloat16"):
            compare(name, dtype, options)


def parse():
    parser = argparse.ArgumentParser(prog="python -m tools.bench.triton", description=__doc__)
    parser.add_argument("ops", nargs="*", default=list(THEIRS), metavar="OP")
    parser.add_argument("--model", choices=("all", *models.MODELS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--dtype", nargs="+", default=["bfloat16"], choices=("float32", "float16", "bfloat16"))
    parser.add_argument("--batch", type=int)
    parser.add_argument("--length", type=int)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    batch, length = (1, 8192) if options.model else (8, 4096)
    options.batch, options.length = options.batch or batch, options.length or length
    return options


def compare(name, dtype, options):
    """The rows of one op."""
    dims = {"D": 2048, "H": 16, "Hk": 16, "Dk": 64, "Dv": 64}
    case = cases.make(name, options.batch, options.length, dims, dtype)
    inputs = {key: triton_models.torch_of(x, torch.float32) for key, x in case.inputs.items()}
    gate = THEIRS[name][2]
    inputs[gate] = inputs[gate].clamp(min=1e-6).log()
    inputs = {key: x if key == gate else x.to(getattr(torch, dtype)) for key, x in inputs.items()}
    inputs = {key: x.requires_grad_() for key, x in inputs.items()}
    cotangent = triton_models.torch_of(case.cotangents[0], getattr(torch, dtype))
    function = theirs(name)
    y = np.array(case.op(*case.inputs.values()).astype(mx.float32))
    error = np.sqrt(np.mean((function(inputs).detach().float().cpu().numpy() - y) ** 2) / np.mean(y**2))

    def both():
        torch.autograd.grad(function(inputs), list(inputs.values()), cotangent)

    for what, run in zip(measure.PASSES, (lambda: function(inputs), both)):
        ours = measure.job(case, case.op, what)
        times = [(measure.seconds(ours), triton_models.seconds(run)) for _ in range(options.rounds + 1)][1:]
        mine, other = (1e3 * sorted(t)[len(t) // 2] for t in zip(*times))
        print(
            f"| {name} | {dtype} | {what} | {mine:.3f} | {other:.3f} | {mine / other:.2f} | {error:.0e} |", flush=True
        )


def theirs(name):
    """Their op as a function of our inputs."""
    module, function, _ = THEIRS[name]
    call = getattr(importlib.import_module(module), function)
    if name == "rglru":
        return lambda inputs: call(inputs["b"], inputs["a"].to(inputs["b"].dtype))[0]
    return lambda inputs: call(**inputs, scale=1.0)[0]


if __name__ == "__main__":
    main()
