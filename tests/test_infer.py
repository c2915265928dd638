"""Inference of arrays, template constants and grids that a manifest leaves out, and steps with conditions."""

import re
import shutil
from pathlib import Path

import mlx.core as mx
import pytest
from oracle import needs_kernels

import loader
from loader import manifest

MIX = Path(__file__).parent / "manifests" / "mix"
TEXT = (MIX / "manifest.yaml").read_text()
SHORT = re.sub(r"\n +(?:inputs|outputs): \[.*\]|[TWS]: dtype\(\w+\), | shift: shift,", "", TEXT)


@pytest.fixture
def write(tmp_path):
    """Writes a manifest beside the kernels of `mix`; returns its path."""
    shutil.copytree(MIX, tmp_path, dirs_exist_ok=True)

    def write(text):
        (tmp_path / "manifest.yaml").write_text(text)
        return tmp_path / "manifest.yaml"

    return write


def steps(path):
    variants = manifest.load(path)["mix"].variants
    return [
        (s.kernel, s.inputs, s.outputs, [(name, value.text) for name, value in s.template])
        for variant in variants
        for s in (*variant.forward, *variant.backward)
        if hasattr(s, "kernel")
    ]


def test_what_is_left_out_is_what_was_said(write):
    assert len(SHORT.splitlines()) == len(TEXT.splitlines()) - 7
    assert steps(write(SHORT)) == steps(MIX / "manifest.yaml")


@needs_kernels
def test_the_short_manifest_runs(write):
    op = loader.load(write(SHORT))["mix"]
    assert mx.array_equal(op(mx.ones((1, 2, 4)), mx.full((4,), 2.0)), mx.full((1, 2, 4), 2.0))


def error_of(path):
    with pytest.raises(loader.ManifestError) as caught:
        loader.load(path)
    return str(caught.value)


MAPPED, SQUARED = "{values: product, half_: half}", "{SQUARE: square}"
ERRORS = [
    (
        MAPPED,
        "{value: product}",
        "the kernel has no input 'value'; it has values, shift, half_. Did you",
    ),
    (
        MAPPED,
        "{half_: half}",
        "reads 'values', which is neither given nor made before. Where a parameter",
    ),
    (SQUARED, "{}", "takes (HAS_HALF, HAS_SHIFT, S, SQUARE, T); say under template what SQUARE is"),
]


@pytest.mark.parametrize("old, new, message", ERRORS)
def test_errors_name_the_step(write, old, new, message):
    assert old in SHORT
    said = error_of(write(SHORT.replace(old, new)))
    assert message in said and re.match(r"manifest.yaml:\d+: \[mix\] forward\[1\]", said)


def test_a_kernel_that_cannot_be_read_is_named(write):
    path = write(SHORT)
    (path.parent / "shaders/mix/finish.metal").write_text("// nothing\n")
    assert error_of(path).startswith("shaders/mix/finish.metal:1: expected one [[kernel]]")
    path = write(TEXT)
    assert error_of(path).startswith("shaders/mix/finish.metal:1: expected one [[kernel]]")


WAYS = """    backward:
      - kernel: mix/backward
        template: {ROWS: ndim(w) == 2, SQUARE: square}
        grid: {groups: ["cdiv(SIZE, THREADS)", 1, 1], threads: [THREADS, 1, 1]}
      - {when: ndim(w) == 1, sum: grad_w_each, axis: 0, into: grad_w_rows}
      - - {when: ndim(w) == 1, sum: grad_w_rows, axis: 0, into: grad_w}
        - {sum: grad_w_each, axis: 0, into: grad_w}
"""


def conditional(ways=WAYS):
    """The manifest with the two ways of its backward pass as conditions of steps."""
    text = re.sub(r"    backward:\n(?:      .*\n)+", ways, SHORT, count=1)
    return re.sub(r"        backward:\n(?:          .*\n)+", "", text)


def test_conditions_of_steps_make_variants(write):
    variants = manifest.load(write(conditional()))["mix"].variants
    assert [v.when and v.when.text for v in variants] == [
        "(ndim(w) == 2) and (ndim(w) == 1)",
        "ndim(w) == 2",
        "(L == 1) and (ndim(w) == 1)",
        "L == 1",
        "ndim(w) == 1",
        None,
    ]
    assert [[s.into for s in v.backward[1:]] for v in variants[-2:]] == [["grad_w_rows", "grad_w"], ["grad_w"]]


@needs_kernels
def test_the_condition_chooses_the_step(write):
    op = loader.load(write(conditional()))["mix"]
    for w in (mx.full((4,), 2.0), mx.full((2, 4), 2.0)):
        gradient = mx.grad(lambda w: op(mx.ones((3, 2, 4)), w).sum())(w)
        assert mx.array_equal(gradient, mx.full(w.shape, 3.0 if w.ndim == 2 else 6.0))


WRONG_WAYS = [
    ("        - {sum: grad_w_each, axis: 0, into: grad_w}\n", "", "no step makes 'grad_w'"),
    ("- - {when: ndim(w) == 1, sum", "- - {sum", "backward[2]: only the last of several steps may have no `when`"),
    ("when: ndim(w) == 1, sum: grad_w_each", "when: ndim(v) == 1, sum: grad_w_each", "ndim(v) == 1: 'v' is no input"),
]


@pytest.mark.parametrize("old, new, message", WRONG_WAYS)
def test_ways_that_do_not_fit(write, old, new, message):
    assert old in WAYS
    assert message in error_of(write(conditional(WAYS.replace(old, new))))


GRID = '    grid: {groups: ["cdiv(SIZE, THREADS)", 1, 1], threads: [THREADS, 1, 1]}\n'


def test_steps_without_a_grid_have_that_of_the_op(write):
    alone = re.sub(r" +grid: .*\n", "", SHORT)
    of_op = alone.replace("    forward:\n", f"{GRID}    forward:\n", 1)
    ours, theirs = (manifest.load(write(text))["mix"].steps for text in (of_op, SHORT))
    assert str([(s.groups, s.threads) for s in ours]) == str([(s.groups, s.threads) for s in theirs])
    assert "[mix] forward[0]: the key 'grid' is missing, here and in the op" in error_of(write(alone))


def test_a_condition_chooses_the_kernel(write):
    text = SHORT.replace("kernel: mix/product\n", "kernel: mix/product if square and L > 9 else mix/other\n")
    path = write(text)
    product = (path.parent / "shaders/mix/product.metal").read_text()
    (path.parent / "shaders/mix/other.metal").write_text(product.replace("mix_product", "mix_other"))
    kernels = {v.when and v.when.text: v.forward[0].kernel for v in manifest.load(path)["mix"].variants}
    assert kernels[None] == "mix/other" and kernels["square and L > 9"] == "mix/product"
    assert "expected `when`, or a condition under `kernel`, but got both" in error_of(
        write(text.replace("- kernel: mix/product if", "- when: L == 1\n        kernel: mix/product if"))
    )


def test_a_step_with_the_condition_of_a_variant_is_done_in_it_alone(write):
    step = "      - {sum: grad_w_each, axis: 0, into: grad_w_rows}\n"
    text = SHORT.replace(step, f"{step}      - {{when: L == 1, sum: grad_w_each, axis: 1, into: unused}}\n", 1)
    text = text.replace(
        "      grad_w_rows: {", "      unused: {shape: [B, D], dtype: float32}\n      grad_w_rows: {", 1
    )
    variants = manifest.load(write(text))["mix"].variants
    assert [v.when and v.when.text for v in variants] == ["ndim(w) == 2", "L == 1", None]
    assert ["unused" in {a.name for a in v.workspace} for v in variants] == [False, True, False]


def test_conditions_mention_no_constants(write):
    assert "SIZE > 1: no input binds 'SIZE'" in error_of(write(conditional(WAYS.replace("ndim(w) == 1", "SIZE > 1"))))


def test_what_backward_only_reads_is_saved(write):
    text = SHORT.replace("    saved:\n", "    workspace:\n", 1).replace(
        "    workspace:\n      grad_w_each", "      grad_w_each", 1
    )
    short, long = (manifest.load(path)["mix"].variants for path in (write(text), MIX / "manifest.yaml"))
    names = [[[array.name for array in arrays] for arrays in (v.saved, v.workspace)] for v in short]
    assert names == [[[array.name for array in arrays] for arrays in (v.saved, v.workspace)] for v in long]
    assert names[0] == [["product"], ["grad_w_each"]]
