"""loader.testing on the ops of other manifests: right ones pass, and errors name wrong results."""

import re
import shutil

import mlx.core as mx
import numpy as np
import pytest
from oracle import needs_kernels
from test_manifest_ops import MANIFEST
from test_manifest_ops import reference as mix_reference

import loader
from loader import maths
from loader.testing import BOUNDS, check, compare, draw, parity, reference

FEW = {"lengths": (1, 7), "dtypes": ("float32",), "sizes": [{"D": 34}]}


@pytest.fixture
def mix(tmp_path):
    """Loads the op `mix` with an edit of one of its kernels."""
    shutil.copytree(MANIFEST.parent, tmp_path, dirs_exist_ok=True)

    def load(kernel="product", old="", new="", function=mix_reference):
        path = tmp_path / f"shaders/mix/{kernel}.metal"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        return loader.load(tmp_path / "manifest.yaml", references={"mix": function})["mix"]

    return load


@needs_kernels
def test_an_op_that_is_right(mix):
    errors = parity(mix(), **FEW)
    assert {"y", "final_state", "grad_x", "grad_w", "grad_half", "grad_shift"} == errors.keys()
    assert max(errors.values()) <= BOUNDS["float32"] and errors["grad_w"] > 0


WRONG = [
    ("backward", "each * static_cast<float>(x[i])", "-each * static_cast<float>(x[i])", "grad_w (float32): error 2."),
    ("backward", "grad_half[i] = grad_final", "if (i > 0) grad_half[i] = grad_final", "grad_half (float32): error nan"),
    ("product", "= scale[0]", "= 1.0001f * scale[0]", "y (float32): error 1.00e-04 is above 1e-05"),
]


@needs_kernels
@pytest.mark.parametrize("kernel, old, new, message", WRONG)
def test_a_kernel_that_is_wrong_is_told_by_its_results(mix, kernel, old, new, message):
    with pytest.raises(AssertionError, match=re.escape(message)) as caught:
        parity(mix(kernel, old, new), **FEW)
    assert re.match(r"\[mix\] misses the truth at B \d+, L \d, D 34, x float32, w float32", str(caught.value))


@needs_kernels
def test_a_bound_holds_for_its_result_in_calls_that_it_names(mix, tmp_path):
    op = mix("product", "= scale[0]", "= 1.01f * scale[0]")
    path = tmp_path / "manifest.yaml"
    path.write_text(
        path.read_text().replace("    bounds:\n", "    bounds:\n      y: {bound: 0.02, when: D > 3, reason: a test}\n")
    )
    op = loader.load(path, references={"mix": mix_reference})["mix"]
    wide, narrow = (compare(op, draw(op, {"B": 2, "L": 3, "D": D})) for D in (4, 2))
    assert {found.name for found in wide if found.bound > 1e-5} == {"y"} and wide[0].is_right
    assert not [found for found in narrow if found.bound > 1e-5] and not narrow[0].is_right


@needs_kernels
def test_one_call_can_be_checked(mix):
    op = mix("product", "= scale[0]", "= 1.01f * scale[0]")
    with pytest.raises(AssertionError, match=r"y \(float32\): error 1.00e-02"):
        check(op, draw(op, {"B": 2, "L": 3, "D": 4}))


def test_what_parity_cannot_do_without(mix):
    with pytest.raises(ValueError, match=r"\[mix\] expected an op with a reference: pass one to loader.load"):
        parity(mix(function=None))
    with pytest.raises(ValueError, match=r"\[mix\] expected an op with sizes"):
        parity(mix(), sizes=[])


def numpy_mix(x, w, half=None, shift=None):
    y = w * x + (0 if shift is None else shift)
    return y, np.zeros((x.shape[0], x.shape[2])) if half is None else np.concatenate([half, half], axis=1)


def opened(sigmoid):
    def function(x, w, half=None, shift=None, scale=1.0, square=False):
        y, state = mix_reference(x, w, half, shift, scale, square)
        return sigmoid(y), state

    return function


def opened_in_numpy(x, w, half=None, shift=None):
    y, state = numpy_mix(x, w, half, shift)
    return 1 / (1 + np.exp(-y)), state


def test_a_reference_and_its_twin(mix):
    reference(mix(), numpy_mix)
    reference(mix(function=opened(maths.sigmoid)), opened_in_numpy)
    with pytest.raises(AssertionError, match=r"differ by more than 1e-12 in \d+ of \d+ elements of y: at \(0, 0, 0\)"):
        reference(mix(), lambda **inputs: (numpy_mix(**inputs)[0] + 1, numpy_mix(**inputs)[1]))


def test_a_reference_with_mlx_own_sigmoid_is_told_why_it_misses(mix):
    with pytest.raises(AssertionError, match=r"no better in float64 than in float32: .*sigmoid.*loader.maths has"):
        reference(mix(function=opened(mx.sigmoid)), opened_in_numpy)


@pytest.mark.parametrize("name, twin", [("exp", np.exp), ("sigmoid", lambda x: 1 / (1 + np.exp(-x)))])
def test_maths_is_precise_in_float64(name, twin):
    points = np.linspace(-30, 30, 999)
    with mx.stream(mx.cpu):
        ours, mlx = (np.array(f(mx.array(points, mx.float64))) for f in (getattr(maths, name), getattr(mx, name)))
        single = getattr(maths, name)(mx.array(points, mx.float32))
    assert single.dtype == mx.float32 and np.allclose(np.array(single), twin(points), rtol=1e-5)
    assert np.allclose(ours, twin(points), rtol=1e-13, atol=1e-13)
    assert not np.allclose(mlx, twin(points), rtol=1e-12, atol=1e-12), f"mx.{name} will do now: drop maths.{name}"
