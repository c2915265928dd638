"""What a manifest may not say, and that each error names file, line, op and key."""

import shutil
from pathlib import Path

import pytest

import loader
from loader import manifest

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
    ("constants: {SIZE", ["constants: {SIZE: SIZES, THREADS: 64}"], 0, "no input binds 'SIZES'"),
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
    ("groups:", ["grid: {groups: [1, 1, 1]}"], 0, "[mix] forward[0].grid: the key 'threads' is missing"),
    (
        "{sum: grad_w_each, axis: 0, into: grad_w_rows}",
        ["- {sum: grad_w_each, into: grad_w_rows}"],
        0,
        "'axis' is missing",
    ),
    ("{sum: grad_w_rows", [], None, "no step makes 'grad_w'"),
    ("when: ndim(w) == 2", ["- when: ndim(v) == 2"], 0, "[mix] variants[0].when: ndim(v) == 2: 'v' is no input"),
    ("bfloat16: {bound", ["float64: {bound: 1.0, reason: none}"], 0, "[mix] bounds.float64: unknown key"),
    ("examples:", ["examples: [{E: 2}]"], 0, "[mix] examples[0].E: unknown key; expected one of D"),
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


def test_not_yaml_and_not_there(tmp_path):
    (tmp_path / "manifest.yaml").write_text("edition: 1\nops: {a: [}\n")
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:2: not YAML"):
        manifest.load(tmp_path / "manifest.yaml")
    (tmp_path / "manifest.yaml").write_text("")
    with pytest.raises(loader.ManifestError, match=r"manifest.yaml:1: the file is empty"):
        manifest.load(tmp_path / "manifest.yaml")
    with pytest.raises(loader.ManifestError, match=r"none.yaml:1: cannot be read"):
        manifest.load(tmp_path / "none.yaml")


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
