"""Apple's fast functions, emulated with the largest error of its specification: near A = 1 `rglru_gated` needs the
precise ones, and would miss its bounds with the fast ones."""

from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
from oracle import BOUNDS, draw, error, run, truth

import loader
from loader import Op

pytestmark = pytest.mark.skipif(loader.backend() != "opencl", reason="the emulation is text for the CPU's engine")

# The specification's bounds in math mode fast: log within 2^-21 on [0.5, 2] and 3 units in the last place elsewhere,
# exp within 3 + floor(|2 x|), sqrt, which is x times rsqrt, within 3. A unit is at least 2^-24 of the number.
_FAST = """
namespace metal {
inline float fast_log(float x) {
  const float y = precise::log(x);
  return x >= 0.5f && x <= 2.0f ? y + 0x1p-21f : y * (1.0f + 3.0f * 0x1p-24f);
}
inline float fast_exp(float x) {
  return precise::exp(x) * (1.0f + (3.0f + floor(fabs(2.0f * x))) * 0x1p-24f);
}
inline float fast_sqrt(float x) {
  return precise::sqrt(x) * (1.0f + 3.0f * 0x1p-24f);
}
}  // namespace metal
"""


def emulated(op, asks_for_precise=True):
    """The op where bare `exp`, `log` and `sqrt` are fast; with `asks_for_precise` false every one is."""

    def fast(text):
        text = text if asks_for_precise else text.replace("metal::precise::", "metal::")
        for name in ("exp", "log", "sqrt"):
            text = text.replace(f"metal::{name}(", f"metal::fast_{name}(")
        return text

    def build(name, inputs, outputs, source, header, *more):
        header = fast(header).replace("#include <metal_stdlib>", f"#include <metal_stdlib>\n{_FAST}", 1)
        return op.engine.build(f"{name}_fast", inputs, outputs, fast(source), header, *more)

    engine = SimpleNamespace(
        **{key: getattr(op.engine, key) for key in ("NAME", "LAZY", "missing", "ready", "prepare")}
    )
    engine.build = build
    return Op(op.spec, engine, op._reference)


def errors(op, base):
    """The error of the output and of every gradient at one A."""
    inputs = draw(op, {"B": 2, "L": 500, "D": 33, "N": 1})
    inputs["A"] = mx.full(inputs["A"].shape, base)
    rng = np.random.default_rng(1)
    results = [
        mx.array(rng.normal(size=y.shape).astype(np.float32)) for y in op.reference(*inputs.values(), return_state=True)
    ]
    outputs, gradients = run(op, inputs, results)
    want_outputs, want_gradients = truth(op, inputs, results)
    found = {array.name: error(y, want) for array, y, want in zip(op.spec.outputs, outputs, want_outputs)}
    return found | {f"grad_{name}": error(gradients[name], want) for name, want in want_gradients.items()}


@pytest.mark.parametrize("base", [0.99, 0.999, 0.9999])
def test_near_one_the_precise_functions_hold_the_promise(base):
    found = errors(emulated(loader.get("rglru_gated")), base)
    assert max(found.values()) <= BOUNDS[mx.float32], found


@pytest.mark.parametrize("base", [0.99, 0.999, 0.9999])
def test_near_one_fast_functions_would_break_it(base):
    found = errors(emulated(loader.get("rglru_gated"), asks_for_precise=False), base)
    assert max(found.values()) > BOUNDS[mx.float32], found
