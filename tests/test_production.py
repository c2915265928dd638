"""Metal of other projects: lint reports no right kernel, and lint or validation finds each wrong one."""

import re
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from oracle import first

import loader
from tools.lint import aside, check, run
from tools.lint.options import Options
from tools.lint.source import Source

FOLDER = Path(__file__).parent / "lint/production"
RIGHT = sorted((FOLDER / "right").glob("*.metal"))
WRONG = sorted((FOLDER / "wrong").glob("*_bad.metal"))
OPTIONS = Options(include=(FOLDER / "right/include",), style=False)
LEFT_ASIDE = {
    *("a25_body_file", "g05_raytracing", "g06_indirect_commands", "g08_mesh_object", "k10_imageblock"),
    *("k19_frameworks", "k25_tensors", "k26_sparse_textures"),
}


def found(path):
    return check.file(Source(path, options=OPTIONS))


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_a_right_kernel_is_left_alone(path):
    assert found(path) == set()
    assert aside.is_left(Source(path, options=OPTIONS)) == (path.stem in LEFT_ASIDE)


def test_a_broken_body_is_no_body(tmp_path):
    path = tmp_path / "broken.metal"
    path.write_text("uint i = thread_position_in_grid.x;\nif (i < 4) {\n  y[i] = x[i];\n")
    assert not aside.is_left(Source(path))
    assert found(path)


def test_options_of_the_command_line(tmp_path):
    path = tmp_path / "sized.metal"
    path.write_text(
        "#include <metal_stdlib>\n#include <helper.h>\n"
        "[[kernel]] void f(device float* y, uint i [[thread_position_in_grid]]) { y[i] = helper(0.5) * SIZE; }\n"
    )
    command = [sys.executable, "-m", "tools.lint", path, "-I", FOLDER / "right/include/proj/kernels"]
    assert subprocess.run(command, capture_output=True).returncode == 1
    assert subprocess.run([*command, "-DSIZE=4"], capture_output=True).returncode == 0
    assert subprocess.run([*command, "-DSIZE=4", "--style"], capture_output=True).returncode == 1


def test_a_note_says_what_is_left_aside():
    findings, notes = run.report([FOLDER / "right/g05_raytracing.metal"], options=OPTIONS)
    assert {finding.rule for finding in findings} <= {"format"}
    assert [note.message for note in notes] == ["it uses ray tracing, for which lint has no declarations"]


# What lint says; all others are found when they run.
BY_LINT = {
    "b03": "barrier-missing",
    "b06": "threadgroup-size",
    "b09": "pointer-space",
    "b11": "barrier-return",
    "b12": "barrier-return",
    "b13": "barrier-divergent",
    "b16": "bfloat-conversion",
    "b17": "call",
    "b19": "index-overflow",
    "b21": "call",
    "b22": "compile",
    "b29": "address-space",
    "b31": "nan-test",
    "b32": "simd-partial",
    "b33": "double",
    "b36": "address-space",
    "b37": "unsupported",
    "b38": "call",
    "b39": "barrier-divergent",
    "b40": "threadgroup-unwritten",
    "b41": "barrier-divergent",
    "b42": "function-pointer",
}
# Sizes of a launch that shows the fault: grid, threadgroup, inputs, outputs.
ROWS = dict(grid=512, threadgroup=256, x=512, y=512)
LAUNCHES = {
    "b01": ROWS,
    "b02": dict(grid=512, threadgroup=256, x=512, y=2),
    "b04": dict(grid=512, threadgroup=256, x=512, y=2),
    "b07": dict(grid=1024, threadgroup=1024, x=4096, y=1),
    "b08": dict(grid=4, threadgroup=64, x=256, y=256),
    "b14": dict(grid=64, threadgroup=32, x=64, cache=32, y=64),
    "b18": dict(grid=100, threadgroup=32, x=-100, y=100, ensure_row_contiguous=False),
    "b23": dict(grid=512, threadgroup=256, x=512, y=2),
    "b25": dict(grid=128, threadgroup=32, x=100, y=100),
    "b27": dict(grid=64, threadgroup=32, x=256, y=64),
    "b28": dict(grid=256, threadgroup=64, x=256, y=4, init_value=0),
}
# The twin is launched otherwise.
MENDED = {"b07": dict(grid=256, threadgroup=256), "b08": dict(grid=256, threadgroup=64), "b25": dict(grid=100)}


def test_every_wrong_kernel_has_its_finder():
    assert {path.stem[:3] for path in WRONG} == {*BY_LINT, *LAUNCHES}


SOME = [path for path in WRONG if path.stem[:3] in (*BY_LINT, "b01", "b07", "b28")]
MORE = [path for path in WRONG if path not in SOME]


@pytest.mark.parametrize(
    "path", first(len(SOME), SOME + MORE, "validation compiles a program and its twin"), ids=lambda path: path.stem
)
def test_a_wrong_kernel_is_found_and_its_twin_is_not(path):
    key, twin = path.stem[:3], path.with_stem(path.stem.replace("_bad", "_good"))
    assert found(twin) == set()
    if key in BY_LINT:
        assert BY_LINT[key] in {finding.rule for finding in found(path)}
        return
    launch(path, **LAUNCHES[key] | MENDED.get(key, {}), twin=twin)
    with pytest.raises(loader.ValidationError):
        launch(path, **LAUNCHES[key])


def launch(path, grid, threadgroup, init_value=None, ensure_row_contiguous=True, twin=None, **sizes):
    """A file's kernel, validated, on random inputs of these sizes; a negative size is that of a reversed view."""
    if loader.backend() != "opencl":
        pytest.skip("validation is the opencl engine's")
    text = (twin or path).read_text()
    body = text[text.index(") {\n") + 4 : text.rindex("}")]
    outputs = [name for name in sizes if re.search(rf"(?<!const )device [\w<>]+\* {name}\b", text)]
    inputs = [name for name in sizes if name not in outputs]
    arrays = [mx.array(np.random.default_rng(0).standard_normal(abs(sizes[name])), mx.float32) for name in inputs]
    arrays = [x if sizes[name] > 0 else x[::-1] for name, x in zip(inputs, arrays)]
    kernel = loader.metal_kernel(
        path.stem,
        inputs,
        outputs,
        body,
        ensure_row_contiguous=ensure_row_contiguous,
        atomic_outputs="atomic_fetch" in body,
        validate=True,
    )
    return kernel(
        inputs=arrays,
        output_shapes=[(sizes[name],) for name in outputs],
        output_dtypes=[mx.float32] * len(outputs),
        grid=(grid, 1, 1),
        threadgroup=(threadgroup, 1, 1),
        init_value=init_value,
    )
