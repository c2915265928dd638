"""Refused manifests: each error names file, line, op and key."""

import os
import re
import shutil
import time
from pathlib import Path

import mlx.core as mx
import pytest
from oracle import needs_kernels

import loader
from loader import manifest
from loader.portable import metal

MIX = Path(__file__).parent / "manifests" / "mix"
LINES = (MIX / "manifest.yaml").read_text().splitlines()


@pytest.fixture
def write(tmp_path):
    """Writes the manifest with a line replaced, or others put after it; returns (path, number of the line)."""
    shutil.copytree(MIX, tmp_path, dirs_exist_ok=True)

    def change(old, *new, times=1):
        number = next(i for i, line in enumerate(LINES) if old in line)
        indent = LINES[number][: len(LINES[number]) - len(LINES[number].lstrip())]
        lines = [*LINES[:number], *(indent + line for line in new), *LINES[number + 1 :]]
        (tmp_path / "manifest.yaml").write_text("\n".join(lines) + "\n")
        return tmp_path / "manifest.yaml", number + 1

    return change


# A step that makes neither a state nor a gradient.
PRODUCT = (
    "  - {kernel: mix/product, outputs: [product], template: {ROWS: ndim(w) == 2}, "
    "grid: {groups: [1, 1, 1], threads: [64, 1, 1]}}"
)
ERRORS = [
    # what is replaced, by what, lines further down the error is at, and what it says
    ("edition: 1", ["edition: 2"], 0, "edition: this loader reads edition 1"),
    ("edition: 1", ["edition: one"], 0, "edition: expected an integer but got 'one'"),
    ("edition: 1", ["edition: 1", "more: 1"], 1, "more: unknown key; expected one of edition, ops"),
    ("  mix:", ["my-op:"], 0, "ops.my-op: expected a name but got 'my-op'"),
    ("summary:", ["sumary: x"], 0, "[mix] sumary: unknown key"),
    ("summary:", [], -1, "[mix]: the key 'summary' is missing"),
    ("summary:", ["summary: [a]"], 0, "[mix] summary: expected a word but got a list"),
    ("paper:", ['paper: "a"', 'paper: "b"'], 1, "[mix] paper: this key is here twice"),
    ("x: {shape: [B", ["x: {shape: [B, L, D], dtype: floot}"], 0, "[mix] inputs.x.dtype: expected float or one of"),
    ("x: {shape: [B", ["x: {shape: [B, L, D]}"], 0, "[mix] inputs.x: the key 'dtype' is missing"),
    ("x: {shape: [B", ["x: [B, L, D]"], 0, "[mix] inputs.x: expected a mapping but got a list"),
    ("x: {shape: [B", ["x: {shape: [B, L, D], dtype: float, optional: 3}"], 0, "expected true or false but got '3'"),
    ("w: {shape", ["w: {shape: [D], dtype: float, sample: gauss}"], 0, "[mix] inputs.w.sample: expected a mapping"),
    ("half: {shape", ['half: {shape: [B, "E // 2"], dtype: float32, optional: true}'], 0, "no input binds 'E'"),
    ("half: {shape", ['half: {shape: [B, "D / 2"], dtype: float32, optional: true}'], 0, "may not hold Div"),
    ("half: {shape", ['half: {shape: [B, "D //"], dtype: float32, optional: true}'], 0, "is not an expression"),
    ("half: {shape", ['half: {shape: [B, "open(D)"], dtype: float32, optional: true}'], 0, "unknown function 'open'"),
    ("scale: {type", ["scale: {type: text, default: 1.0}"], 0, "expected one of float, int, bool but got 'text'"),
    ("scale: {type", ["x: {type: float, default: 1.0}"], None, "[mix]: 'x' is declared twice"),
    ("D % 2 == 0", ['E % 2 == 0: "even"'], 0, "[mix] requires.E % 2 == 0: E % 2 == 0: no input binds 'E'"),
    ("y: {shape", ["y: {shape: [B, L, D], dtype: z}"], 0, "[mix] outputs.y.dtype: expected a dtype or an input"),
    ("transition: x", ["transition: v"], 0, "[mix] transition: expected a float input of an op with a final_state"),
    (
        "transition: x",
        ["transition: w"],
        0,
        "expected w to have the dim L and some of final_state's, B, D, in this order",
    ),
    ("constants: {SIZE", ["constants: {SIZE: SIZES, THREADS: 64}"], 0, "no input binds 'SIZES'"),
    ("constants: {SIZE", ["constants: {on_metal: 1, THREADS: 64}"], 0, "'on_metal' has a meaning in expressions"),
    (
        "product: {shape",
        ["product: {shape: [B, L, E], dtype: float32}"],
        0,
        "[mix] saved.product.shape[2]: E: no input",
    ),
    (
        "kernel: mix/product",
        ["- kernel: mix/produkt"],
        0,
        "[mix] forward[0].kernel: there is no file shaders/mix/produkt.metal",
    ),
    (
        "inputs: [x, w, scale]",
        ["inputs: [x, v, scale]"],
        -1,
        "[mix] forward[0]: reads 'v', which is neither given nor made",
    ),
    ("inputs: [x, w, scale]", ["inputs: x"], 0, "[mix] forward[0].inputs: expected a list but got 'x'"),
    ("outputs: [product]", ["outputs: [produce]"], -2, "makes 'produce', which is not declared"),
    ("outputs: [y, final_state]", ["outputs: [y]"], -2, "[mix] forward[1]: no step makes 'final_state'"),
    (
        "outputs: [y, final_state]",
        ["outputs: [y, final_state, product]"],
        -2,
        "makes 'product', which is there already",
    ),
    ("template: {T: dtype(x), W: dtype(w), ROWS", ["template: {T: dtype(q)}"], 0, "'q' is no input"),
    ("groups:", ["grid: {groups: [1, 1], threads: [1, 1, 1]}"], 0, "grid.groups: expected three sizes but got 2"),
    (
        "groups:",
        ["grid: {groups: [1, 1, 1], threads: [1, 1, 1], resident: 0}"],
        0,
        "grid.resident: expected 1 to 2048 resident threads but got 0",
    ),
    ("groups:", ["grid: {groups: [1, 1, 1]}"], 0, "[mix] forward[0].grid: the key 'threads' is missing"),
    (
        "{sum: grad_w_each, axis: 0, into: grad_w_rows}",
        ["- {sum: grad_w_each, into: grad_w_rows}"],
        0,
        "'axis' is missing",
    ),
    ("{sum: grad_w_rows", [], None, "no step makes 'grad_w'"),
    ("transition: x", ["state:", PRODUCT], 1, "state[0]: no step makes 'final_state'"),
    (
        "transition: x",
        ["adjoint:", "  - {sum: product, axis: 0, into: grad_w_rows}"],
        1,
        "adjoint[0]: no step makes 'grad_initial_state'",
    ),
    ("when: ndim(w) == 2", ["- when: ndim(v) == 2"], 0, "[mix] variants[0].when: ndim(v) == 2: 'v' is no input"),
    ("bfloat16: {bound", ["float64: {bound: 1.0, reason: none}"], 0, "[mix] bounds.float64: unknown key"),
    ("bfloat16: {bound", ["grad_u: {bound: 1.0, reason: none}"], 0, "[mix] bounds.grad_u: unknown key"),
    ("bfloat16: {bound", ["y: {bound: 1.0, reason: none, when: E > 1}"], 0, "[mix] bounds.y.when: E > 1: no input"),
    ("examples:", ["examples: [{E: 2}]"], 0, "[mix] examples[0].E: unknown key; expected one of D"),
    *(
        ("constants: {SIZE", [f'constants: {{SIZE: B * L * D, THREADS: "{text}"}}'], 0, message)
        for text, message in (
            ("1 // 0", "[mix] constants.THREADS: 1 // 0: integer division or modulo by zero"),
            ("1 % (2 - 2)", "integer modulo by zero"),
            ("min()", "'min()': min() takes two arguments but got 0"),
            ("max(1)", "max() takes two arguments but got 1"),
            ("cdiv(1)", "cdiv() takes two arguments but got 1"),
            ("cdiv(1, 2, 3)", "cdiv() takes two arguments but got 3"),
            ("cdiv(*SIZE, 2)", "may not hold Starred"),
            ("round_up(4, 0)", "round_up(4, 0): integer division or modulo by zero"),
            ("min(float32, 1)", "min(float32, 1): '<' not supported"),
            ("9223372036854775808", "the result has more than 63 bits"),
            ("+".join("1" * 600), "is longer than 1000 characters; name parts of it as constants"),
            ("+".join("1" * 300), "nests deeper than 100; name parts of it as constants"),
            ("-" * 900 + "1", "nests deeper than 100"),
            ("(" * 450 + "1" + ")" * 450, "is not an expression"),
            ("x.shape", "may not hold Attribute"),
            ("[1 for x in y]", "may not hold ListComp"),
            ("2 ** 9", "may not hold Pow"),
            ("a\\0b", "control character '\\x00'"),
        )
    ),
    *(
        ("groups: [", [f'grid: {{groups: ["{size}", 1, 1], threads: [THREADS, 1, 1]}}'], 0, message)
        for size, message in (
            ("0", "[mix] forward[0].grid.groups[0]: 0: expected a size from 1 to 2147483647 but got 0"),
            ("-1", "-1: expected a size from 1 to 2147483647 but got -1"),
            ("True", "True: expected a size from 1 to 2147483647 but got True"),
            ("THREADS > 1", "expected a size from 1 to 2147483647 but got True (THREADS = 64)"),
            ("1" + "0" * 21, "the result has more than 63 bits"),
            ("THREADS * 100000000", "but got 6400000000 (THREADS = 64)"),
            ("float32", "expected a size from 1 to 2147483647 but got mlx.core.float32"),
        )
    ),
    (
        "groups: [",
        ["grid: {groups: [1, 1, 1], threads: [THREADS, 32, 1]}"],
        0,
        "expected at most 1024 threads but got 2048",
    ),
    (
        "product: {shape",
        ["product: {shape: [B, -1, D], dtype: float32}"],
        0,
        "saved.product.shape[1]: -1: expected a size",
    ),
    ("product: {shape", ["y: {shape: [B, L, D], dtype: float32}"], None, "'y' is an input or output already"),
    *(
        (
            "constants: {SIZE",
            [f"constants: {{SIZE: 1, THREADS: 64, {name}: 3}}"],
            0,
            f"[mix] constants.{name}: {message}",
        )
        for name, message in (
            ("D", "'D' is a dim, an input or an option already"),
            ("w", "'w' is a dim, an input or an option already"),
            ("square", "'square' is a dim, an input or an option already"),
            ("cdiv", "'cdiv' has a meaning in expressions"),
            ("lambda", "'lambda' has a meaning in expressions"),
            ("größe", "expected a name but got 'größe'"),
        )
    ),
    *(
        ("half: {shape", [f"half: {{shape: [B, {dim}], dtype: float32, optional: true}}"], 0, f"'{dim}' has a meaning")
        for dim in ("float32", "min", "True", "dtype", "class")
    ),
    *(
        ("half: {shape", [f"{name}: {{shape: [B, D], dtype: float32, optional: true}}"], line, message)
        for name, line, message in (
            ("float32", 0, "[mix] inputs.float32: 'float32' has a meaning in expressions"),
            ("not", 0, "[mix] inputs.not: 'not' has a meaning in expressions"),
            ("stream", None, "'stream' is a word of every call"),
            ("return_state", None, "'return_state' is a word of every call"),
        )
    ),
    ("scale: {type", ["D: {type: float, default: 1.0}"], None, "[mix]: 'D' is declared twice among dims"),
    ("scale: {type", ["scale: {type: float, default: nan}"], 0, "expected a number but got 'nan'"),
    ("scale: {type", ["scale: {type: int, default: 0x10}"], 0, "expected an integer in decimal digits but got '0x10'"),
    *(
        ("kernel: mix/product", [f'- kernel: "{kernel}"'], 0, f"[mix] forward[0].kernel: {message}")
        for kernel, message in (
            ("../product", "expected a file below shaders/, without its .metal, but got '../product'"),
            ("/etc/product", "expected a file below shaders/"),
            ("mix/../../mix/product", "expected a file below shaders/"),
            ("x" * 5000, "there is no file shaders/xxx"),
            ("a\\0b", "expected a word but got the control character"),
        )
    ),
    ("edition: 1", ["edition: 1", "? [a, b]", ": 1"], 1, "?: expected a plain key"),
    ("edition: 1", ["edition: !!binary 1"], 0, "expected an integer but got '1'"),
    ("edition: 1", ["edition: *none"], 0, "not YAML: found undefined alias"),
    ("paper:", [f"paper: {'[' * 40}{']' * 40}"], 0, "values nest deeper than 32"),
    ("paper:", ["paper: &a [*a]"], 0, "values nest deeper than 32, or an alias stands within itself"),
]


@pytest.mark.parametrize("old, new, further, message", ERRORS, ids=[case[3][:50] for case in ERRORS])
def test_errors_name_the_place(write, old, new, further, message):
    path, line = write(old, *new)
    with pytest.raises(loader.ManifestError) as caught:
        manifest.load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith("manifest.yaml:")
    if further is not None:
        assert str(caught.value).startswith(f"manifest.yaml:{line + further}: ")


def test_a_name_near_the_right_one_is_suggested(write):
    path, _ = write("summary:", "sumary: x")
    with pytest.raises(loader.ManifestError, match="Did you mean 'summary'"):
        manifest.load(path)


def test_lists_that_never_end(tmp_path):
    """At which line that shows is the parser's to say."""
    (tmp_path / "manifest.yaml").write_text(f"edition: 1\nops: {'[' * 9000}\n")
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:\d+: not YAML: "):
        manifest.load(tmp_path / "manifest.yaml")


def test_not_yaml_and_not_there(tmp_path):
    (tmp_path / "manifest.yaml").write_text("edition: 1\nops: {a: [}\n")
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:2: not YAML"):
        manifest.load(tmp_path / "manifest.yaml")
    (tmp_path / "manifest.yaml").write_text("")
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:1: the file is empty"):
        manifest.load(tmp_path / "manifest.yaml")
    with pytest.raises(loader.ManifestError, match=r"none.yaml:1: cannot be read"):
        manifest.load(tmp_path / "none.yaml")
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:1: expected a regular file"):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "manifest.yaml").unlink()
        (tmp_path / "manifest.yaml").symlink_to("pipe")
        manifest.load(tmp_path / "manifest.yaml")
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(loader.ManifestError, match=f"{path.name}:1: expected a regular file"):
            manifest.load(path)
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(loader.ManifestError, match="large.yaml:1: expected at most 16777216 bytes but got 42949672960"):
        manifest.load(tmp_path / "large.yaml")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"edition: 1\nops: \xfc\n", "manifest.yaml:2: expected UTF-8 but got the byte 0xfc"),
        (b"edition: 1\nops: a\0\n", r"manifest.yaml:2: expected text but got the character '\\x00'"),
        ("edition: 1\nops: \ufffe\n".encode(), "manifest.yaml:2: not YAML: "),
        (b"edition: 1\nops: 1\n---\nedition: 1\n", "manifest.yaml:3: not YAML: "),
        (b"edition: 1\nops:\n", "manifest.yaml:2: ops: expected a mapping but got nothing"),
    ],
)
def test_not_text(tmp_path, content, message):
    (tmp_path / "manifest.yaml").write_bytes(content)
    with pytest.raises(loader.ManifestError, match=message):
        manifest.load(tmp_path / "manifest.yaml")


def test_a_byte_order_mark(write):
    path, _ = write("edition: 1", "edition: 1")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(manifest.load(path)) == ["mix"]


def test_aliases_of_aliases(write):
    """Ten of ten of ten ...: a short text of more values than there is memory for."""
    lines = ["a: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    path, _ = write("paper:", *lines)
    before = time.thread_time()
    with pytest.raises(loader.ManifestError, match="manifest.yaml:1: expected at most 20000 values"):
        manifest.load(path)
    assert time.thread_time() - before < 1


def test_constants_that_are_squares_of_each_other(write):
    names = [f"C{i}: {f'C{i - 1} * C{i - 1}' if i else 3}" for i in range(34)]
    path, line = write("constants: {SIZE", f"constants: {{SIZE: B * L * D, THREADS: 64, {', '.join(names)}}}")
    before = time.thread_time()
    with pytest.raises(loader.ManifestError, match=rf"yaml:{line}: \[mix\] constants.C6: C5 \* C5: .* 63 bits \(C5 = "):
        manifest.load(path)
    assert time.thread_time() - before < 1


CALLED = [
    ("SIZE: B * L * D", "SIZE: B * L * D // (L - 5)", "constants.SIZE: .*: integer division .* (B = 1, D = 4, L = 5)"),
    ("SIZE: B * L * D", f"SIZE: {' * '.join(['L'] * 40)}", "constants.SIZE: .* more than 63 bits (L = 5)"),
    (
        "SIZE: B * L * D",
        "SIZE: L - 70",
        "groups[0]: cdiv(SIZE, THREADS): expected a size from 1 to 2147483647 but got -1",
    ),
    (
        "product: {shape: [B, L, D]",
        'product: {shape: [B, "L - 9", D]',
        "product.shape[1]: L - 9: expected a size from 0",
    ),
    ("ROWS: ndim(w) == 2", "ROWS: ndim(half) == 2", "template.ROWS: ndim(half) == 2: half is absent"),
    (
        "ROWS: ndim(w) == 2",
        "ROWS: L * 1000000000",
        "expected a template constant that int32 holds but got 5000000000 (L = 5)",
    ),
    (
        "threads: [THREADS, 1, 1]",
        "threads: [THREADS, L, L]",
        "forward[0]: expected at most 1024 threads in a group but got 1600",
    ),
    ('["cdiv(SIZE, THREADS)", 1, 1]', '["L * 400000000", 1, 1]', "expected at most 2147483647 threads along an axis"),
    ("grad_w_each, axis: 0", "grad_w_each, axis: 3", "expected an axis of grad_w_each, of shape (1, 5, 4), but got 3"),
    ("grad_w_each, axis: 0", "grad_w_each, axis: 2", "over axis 2 does not fit grad_w_rows, (5, 4)"),
]


@pytest.mark.parametrize("old, new, message", CALLED, ids=[case[2][:40] for case in CALLED])
def test_what_only_a_call_shows_names_the_place(write, old, new, message):
    path, _ = write("edition: 1", "edition: 1")
    path.write_text(path.read_text().replace(old, new))
    op = loader.load(path)["mix"]
    with pytest.raises(loader.ManifestError) as caught:
        op(mx.ones((1, 5, 4)), mx.ones((4,)))
    place, _, said = str(caught.value).partition(": [mix] ")
    line = int(place.removeprefix("manifest.yaml:"))
    assert any(word in path.read_text().splitlines()[line - 1] for word in (new, new.split(":")[0], "kernel: mix"))
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), said)


@pytest.mark.parametrize("backend, threads", [("metal", 32), ("reference", 64)])
def test_an_apple_gpu_may_get_other_constants(write, backend, threads):
    path, _ = write("constants: {SIZE", "constants: {SIZE: B * L * D, THREADS: 32 if on_metal else 64}")
    op = loader.load(path, backend=backend)["mix"] if backend == "reference" else as_metal(path)
    plan = op.plan({"x": mx.zeros((2, 5, 4)), "w": mx.zeros((4,))}, (1.0, False))
    assert {launch.arguments["threadgroup"] for launch in plan.forward} == {(threads, 1, 1)}


def as_metal(path):
    return loader.Op(manifest.load(path)["mix"], metal)


def test_a_dim_of_an_input_that_is_absent(write):
    path, _ = write("half: {shape", "half: {shape: [B, H], dtype: float32, optional: true}")
    text = path.read_text().replace("SIZE: B * L * D", "SIZE: B * L * H").replace("{D: 2}, {D: 34}", "{D: 2, H: 1}")
    path.write_text(text)
    with pytest.raises(
        loader.ManifestError, match=r"yaml:\d+: \[mix\] constants.SIZE: .*the input that binds 'H' is absent"
    ):
        loader.load(path)["mix"](mx.ones((1, 2, 4)), mx.ones((4,)))


@needs_kernels
def test_an_edited_kernel_is_the_one_that_runs(write):
    """The manifest is loaded again, in one process; a kernel's file, or a header it includes, changed in between."""
    path, _ = write("edition: 1", "edition: 1")
    kernel, header = path.parent / "shaders" / "mix" / "product.metal", path.parent / "shaders" / "mix" / "factor.h"
    names = []
    for include, factor, edited in (
        (False, "", "scale[0]"),
        (True, "2", "scale[0] * factor()"),
        (True, "3", "scale[0] * factor()"),
    ):
        header.write_text(f"inline float factor() {{ return {factor}; }}\n")
        text = (MIX / "shaders" / "mix" / "product.metal").read_text()
        text = text.replace("scale[0]", edited)
        kernel.write_text(
            text.replace("#include <metal_stdlib>\n", '#include <metal_stdlib>\n#include "factor.h"\n')
            if include
            else text
        )
        op = loader.load(path)["mix"]
        y = op(mx.ones((1, 2, 4)), mx.ones((4,)))
        names.append(round(y[0, 0, 0].item()))
    assert names == [1, 2, 3]


@needs_kernels
def test_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "a folder of mine"
    shutil.copytree(MIX, folder)
    (folder / "shaders" / "mix").rename(folder / "shaders" / "mix ops")
    text = (folder / "manifest.yaml").read_text().replace("kernel: mix/", "kernel: mix ops/")
    (folder / "manifest.yaml").write_text(text)
    op = loader.load(folder / "manifest.yaml")["mix"]
    assert mx.array_equal(op(mx.ones((1, 2, 4)), mx.full((4,), 2.0)), mx.full((1, 2, 4), 2.0))


def test_a_kernel_that_no_op_uses(write):
    path, _ = write("edition: 1", "edition: 1")
    (path.parent / "shaders" / "mix" / "spare.metal").write_text("// nothing\n")
    with pytest.raises(loader.ManifestError, match=r"no op uses the kernel file shaders/mix/spare.metal"):
        manifest.load(path)


SIGNATURES = [
    ("const device W* w,", "", r"inputs are \(x, w, scale\) but .* takes \(x, scale\)"),
    ("device float* product,", "device float* result,", r"outputs are \(product\) but .* takes \(result\)"),
    ("bool ROWS", "bool COLUMNS", r"template constants are \(ROWS, T, W\) but .* takes \(COLUMNS, T, W\)"),
]


@pytest.mark.parametrize("old, new, message", SIGNATURES)
def test_a_signature_that_differs(write, old, new, message):
    path, _ = write("edition: 1", "edition: 1")
    kernel = path.parent / "shaders" / "mix" / "product.metal"
    assert old in kernel.read_text()
    kernel.write_text(kernel.read_text().replace(old, new))
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:\d+: \[mix\] forward\[0\]: " + message):
        loader.load(path)


def test_the_packages_own_manifest_is_whole():
    specs = manifest.load(loader._PATH)
    for name, spec in specs.items():
        assert spec.summary and spec.paper and spec.examples, name
        # An op may borrow a kernel of another's.
        assert {step.kernel.partition("/")[0] for step in spec.steps} <= specs.keys()
