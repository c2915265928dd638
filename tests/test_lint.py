"""python -m tools.lint: every rule reports its wrong kernel and not its right one, and the repository is clean."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import clangd_session
import mlx.core as mx
import mlx_recurrence
import pytest
from oracle import first

from tools.lint import __main__ as command
from tools.lint import check, clang, report, run
from tools.lint.rules import RULES
from tools.lint.source import Source

ROOT = Path(__file__).parents[1]
LINT = ROOT / "tests/lint"
MIX = ROOT / "tests/manifests/mix"
# Rules that a lone file cannot break: without Apple's compiler, without a style to follow, or of lint itself.
ELSEWHERE = {"apple", "format", "file", "internal"}


def found(path, **options):
    return check.file(Source(path), **options)


def bad_lines(path):
    return {i for i, line in enumerate(path.read_text().splitlines(), 1) if "BAD" in line}


@pytest.mark.parametrize("path", sorted((LINT / "wrong").iterdir()), ids=lambda path: path.stem)
def test_a_wrong_kernel_is_found_on_its_line(path):
    assert {(f.line, f.rule) for f in found(path)} == {(line, path.stem) for line in bad_lines(path)}


@pytest.mark.parametrize("path", sorted((LINT / "right").iterdir()), ids=lambda path: path.stem)
def test_a_right_kernel_is_left_alone(path):
    assert found(path) == set()


@pytest.mark.parametrize("path", sorted((LINT / "seed").iterdir()), ids=lambda path: path.stem)
def test_the_seed_of_wrong_kernels(path):
    assert {f.line for f in found(path)} == bad_lines(path)


def test_every_rule_has_its_kernels():
    general = {name for name, rule in RULES.items() if not rule.project} - ELSEWHERE
    for folder in ("wrong", "right"):
        assert {path.stem for path in (LINT / folder).iterdir()} == general
    tested = {case[-1] for case in (*KERNELS, *MANIFESTS)}
    # What takes minutes to find has a test in test_registers.py.
    assert {name for name, rule in RULES.items() if rule.project} - {"registers"} <= tested


# (file, text, text instead, the line that is reported, rule)
LINTS = "each lints an op anew, which takes a second"
KERNELS = [
    ("product", "    const device T* x,          // [B, L, D]\n", "", "mix_product(", "signature"),
    ("product", "device float* product", "const device float* product", "* product", "signature"),
    ("product", "const device T* x, ", "device T* x, ", "device T* x", "signature"),
    ("product", "const device T* x,  ", "const device T* z,  ", "T* z", "signature"),
    ("product", "bool ROWS", "bool ROWS, int MORE", "bool ROWS", "signature"),
    ("product", "const device float* scale", "const device half* scale", "half* scale", "dtype"),
    ("product", "const device T* x", "const device W* x", "W* x", "dtype"),
    ("product", "// [1]", "// [B]", "// [B]", "shape"),
    ("product", "  // [1]", "", "* scale", "shape"),
    ("product", "int row", "int my_x_shape", "int my_x_shape", "mlx-name"),
    ("product", "const int i", "const device T* p = x + 1; const int i", "T* p", "derived-pointer"),
    (
        "product",
        "template",
        "inline float f(const device float* p) { return p[0]; }\n\ntemplate",
        "f(",
        "helper-pointer",
    ),
    ("product", "const int i", "const float e = exp(1.0f); const int i", "exp(1.0f)", "precise"),
    ("product", "const int i", "const float e = metal::log(1.0f); const int i", "log(1.0f)", "precise"),
    ("product", "const int i", "const float e = metal::fast::sqrt(1.0f); const int i", "sqrt(1.0f)", "precise"),
    ("product", "template", "struct S {\n  float f() { return 1.0f; }\n};\n\ntemplate", "float f", "member-function"),
    ("product", "bool ROWS", "short ROWS", "short ROWS", "template-constant"),
    ("product", "const int i", "atomic_uint* p = nullptr; const int i", "atomic_uint", "atomic"),
    ("product", "const int i", "const bool b = simd_sum(1) > 1; const int i", "simd_sum", "simd-float"),
    ("product", "// product", "#include <metal_math>\n// product", "#include <metal_math>", "head"),
    (
        "product",
        "  const int row",
        "  if (i > 3) return;\n  const float s = simd_sum(1.0f);\n  const int row",
        "if (i > 3)",
        "simd-return",
    ),
]
MANIFESTS = [
    ("    edition: 1", None, None, "manifest"),
    ("paper:", "author:", "author:", "manifest"),
    ('paper: "none"', 'paper: "none"\n    paper: "none"', None, "manifest"),
    ("product: {shape", "produce: {shape", None, "manifest"),
    ("outputs: [product]", "outputs: [produced]", None, "manifest"),
    ("cdiv(SIZE, THREADS)", "cdiv(SIZES, THREADS)", "cdiv(SIZES", "manifest"),
    ("cdiv(SIZE, THREADS)", "cdiv(SIZE, 0 * THREADS)", None, "manifest"),
    ("cdiv(SIZE, THREADS)", "SIZE - SIZE", None, "manifest"),
    ("THREADS: 64", "THREADS: 640", None, "threads"),
]


@pytest.fixture
def mix(tmp_path):
    shutil.copytree(MIX, tmp_path / "mix")
    return tmp_path / "mix"


@pytest.mark.parametrize("name, text, instead, line, rule", first(8, KERNELS, LINTS), ids=lambda value: str(value)[:24])
def test_a_kernel_against_its_manifest(mix, name, text, instead, line, rule):
    path = mix / "shaders/mix" / f"{name}.metal"
    path.write_text(path.read_text().replace(text, instead, 1))
    lines = path.read_text().splitlines()
    reported = {lines[f.line - 1] for f in run.everything([mix]) if f.rule == rule and f.file == str(path)}
    assert any(line in written for written in reported), reported


@pytest.mark.parametrize("call", first(1, ["precise::exp(2.0f)", "metal::precise::exp(2.0f)", "exp_of(2.0f)"], LINTS))
def test_a_precise_function_is_left_alone(mix, call):
    path = mix / "shaders/mix/product.metal"
    helper = "inline float exp_of(float x) {\n  return x;\n}\n\ntemplate <"
    text = path.read_text().replace("template <", helper, 1)
    path.write_text(text.replace("const int i", f"const float e = {call}; const int i", 1))
    assert not [f for f in run.everything([mix]) if f.rule == "precise"]


def test_a_bare_function_in_a_copy_of_our_shaders(tmp_path):
    shutil.copytree(ROOT / "shaders", tmp_path / "shaders")
    shutil.copy(ROOT / "manifest.yaml", tmp_path)
    path = tmp_path / "shaders/rglru_gated/forward.metal"
    text = path.read_text()
    path.write_text(text.replace("metal::precise::sqrt", "metal::sqrt"))
    line = next(i for i, written in enumerate(path.read_text().splitlines(), 1) if "metal::sqrt" in written)
    assert [(f.line, f.rule) for f in run.everything([path])] == [(line, "precise")]
    path.write_text(text.replace("metal::precise::sqrt", '"é"; metal::precise::sqrt', 1))
    (finding,) = [f for f in run.everything([path]) if f.rule == "manifest"]
    assert (finding.file, finding.line) == (str(path), line) and "'é'" in finding.message


@pytest.mark.parametrize("text, instead, line, rule", first(5, MANIFESTS, LINTS), ids=lambda value: str(value)[:24])
def test_a_wrong_manifest(mix, text, instead, line, rule):
    path = mix / "manifest.yaml"
    path.write_text(path.read_text().replace(text, instead or "", 1) if instead else "edition: 7\nops: {}\n")
    findings = [f for f in run.everything([mix]) if f.rule == rule and f.file == str(path)]
    assert findings and all(1 <= f.line <= len(path.read_text().splitlines()) for f in findings)
    if line:
        assert line in path.read_text().splitlines()[findings[0].line - 1]


def test_a_renamed_output_is_told_in_both_files(mix):
    path = mix / "shaders/mix/product.metal"
    path.write_text(path.read_text().replace("device float* product", "device float* products"))
    assert {Path(f.file).name for f in run.everything([mix]) if f.rule == "signature"} == {
        "manifest.yaml",
        "product.metal",
    }


@pytest.mark.parametrize("comment", first(1, ["// [1] or [B, L]", "// [B, L] or\n    // [1]"], LINTS))
def test_a_comment_may_name_the_shapes_of_another_op_too(mix, comment):
    path = mix / "shaders/mix/product.metal"
    path.write_text(path.read_text().replace("// [1]", comment, 1))
    assert not [f for f in run.everything([mix]) if f.rule == "shape"]


def test_a_kernel_that_nothing_uses(mix):
    (mix / "shaders/mix/more.metal").write_text("// more\n")
    (finding,) = [f for f in run.everything([mix]) if f.rule == "manifest"]
    assert finding.file == str(mix / "manifest.yaml") and "more.metal" in finding.message


def test_small_inputs_are_checked_as_constant(mix):
    """The author's file says device throughout; only the unit that MLX writes for a small input fails."""
    path = mix / "shaders/mix/product.metal"
    helper = "template <typename T>\ninline float first(const device T* p) {\n  return static_cast<float>(p[0]);\n}\n\n"
    text = path.read_text().replace("template <", helper + "template <", 1)
    path.write_text(text.replace("scale[0] *", "first(scale) *"))
    lines = path.read_text().splitlines()
    findings = [lines[f.line - 1] for f in run.everything([mix]) if f.rule == "address-space"]
    assert len(findings) == 1 and "first(scale)" in findings[0]


def test_an_op_of_ours_is_clean():
    """`make lint` looks at all of them."""
    assert run.everything([ROOT / "shaders/rglru"]) == []


def test_a_waiver_needs_a_use_and_a_reason(tmp_path):
    path, kernel = tmp_path / "k.metal", (LINT / "wrong/literal.metal").read_text()
    for waiver, rules in {
        "literal because of a test": set(),
        "literal": {"literal", "waiver"},
        "nonsense because": {"literal", "waiver"},
        "double because of a test": {"literal", "waiver"},
    }.items():
        path.write_text(kernel.replace("// BAD", f"// lint: allow {waiver}"))
        assert {f.rule for f in found(path)} == rules


def test_format_and_fix(mix, tmp_path):
    shutil.copy(ROOT / ".clang-format", tmp_path)
    path = mix / "shaders/mix/product.metal"
    text = path.read_text()
    path.write_text(text.replace("  const int i", "  const   int i"))
    assert [f.rule for f in run.everything([path])] == ["format"]
    assert run.everything([path], fix=True) == [] and path.read_text() == text


def test_the_command(capsys):
    wrong = str(LINT / "wrong/double.metal")
    assert command.main([wrong]) == 1
    assert re.fullmatch(r"tests/lint/wrong/double\.metal:\d+:\d+: double: .+\n", capsys.readouterr().out)
    assert command.main([wrong, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["fix"] == RULES["double"].fix
    assert command.main([wrong, "--github"]) == 1
    assert capsys.readouterr().out.startswith("::error file=tests/lint/wrong/double.metal,line=")
    assert command.main([str(LINT / "right/double.metal")]) == 0
    assert command.main(["--rules"]) == 0 and set(RULES) <= set(capsys.readouterr().out.split())
    assert command.main(["nowhere.metal"]) == 2


class _Recorder:
    """mx.fast.metal_kernel that keeps the unit of each call and computes nothing."""

    def __init__(self, folder):
        self.folder, self.units, self._make = folder, [], mx.fast.metal_kernel

    def __call__(self, **declared):
        kernel = self._make(**declared)

        def call(inputs, **arguments):
            path = self.folder / "unit.mlxfn"
            mx.export_function(str(path), lambda *arrays: kernel(inputs=list(arrays), **arguments), *inputs)
            stored = path.read_bytes().decode("latin-1")
            start = stored.index("[[kernel]] void")
            self.units.append(stored[start : stored.rindex("}", start, stored.index("\0", start)) + 1])
            shapes = zip(arguments["output_shapes"], arguments["output_dtypes"])
            return [mx.zeros(shape, dtype) for shape, dtype in shapes]

        return call


def test_kernels_of_others_give_no_false_finding(tmp_path, monkeypatch):
    recorder = _Recorder(tmp_path)
    monkeypatch.setattr(mx.fast, "metal_kernel", recorder)
    x, gates = mx.ones((1, 32, 1, 32)), mx.ones((1, 32, 1))
    calls = {
        mlx_recurrence.ssd_scan: (x, gates, x, x, mx.ones((1, 32))),
        mlx_recurrence.gla_scan: (x, x, x, gates),
        mlx_recurrence.rglru_scan: (x[:, :, 0], x[:, :, 0]),
        mlx_recurrence.rotlru_scan: (*[x[:, :, 0]] * 3, mx.ones((1, 32, 64))),
    }
    for function, arrays in calls.items():
        mx.grad(lambda *a, function=function: function(*a).sum(), argnums=tuple(range(len(arrays))))(*arrays)
    assert len(recorder.units) >= 8
    for unit in recorder.units:
        assert check.file(Source(tmp_path / "unit.metal", unit)) == set()


def test_the_documentation_has_every_rule():
    assert report.markdown() in (ROOT / "docs/lint.md").read_text()


def test_the_editor_reads_what_lint_reads():
    flags = (ROOT / "compile_flags.txt").read_text().split()
    assert set(clang.LANGUAGE) - set(flags) == {"-Wno-null-dereference"}


def kernels_in_git():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.metal"], cwd=ROOT, capture_output=True)
    paths = listed.stdout.decode().split()
    return [
        path
        for path in paths
        if not re.match("tests/lint/(wrong|seed|production)/|tools/new/", path) and (ROOT / path).exists()
    ]


@pytest.mark.parametrize("path", first(6, kernels_in_git(), "clangd takes a second a file"))
def test_a_kernel_opens_clean_in_an_editor(path):
    arguments = [clangd_session.tool(), f"--check={path}", "--check-locations=0", "--check-warnings"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if line.startswith("E"))


def test_the_editor_completes_explains_and_leads_to_helpers():
    text, _, _, hover, completions = clangd_session.record()
    assert "sum of x over the active threads" in hover
    assert any("simd_sum" in label for label in completions)
    lines = text.splitlines()
    line = next(i for i, written in enumerate(lines) if "affine_fold<" in written)
    with clangd_session.Session(clangd_session.FILE, text) as session:
        target, _ = session.definition(line, lines[line].index("affine_fold") + 1)
    assert target == str(ROOT / "shaders/common/affine.h")


def test_help_states_the_limits():
    said = subprocess.run([sys.executable, "-m", "tools.lint", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "Races are not found" in said.stdout and "registers" in said.stdout
