"""`python -m tools.new --into DIR`: an op in a project of the user's, correct and clean from the start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from oracle import needs_kernels

ROOT = Path(__file__).parents[1]
MADE = ["pyproject.toml", "my_ops/__init__.py", "my_ops/manifest.yaml", "my_ops/references.py"]
MADE += ["my_ops/shaders/{0}/forward.metal", "my_ops/shaders/{0}/backward.metal"]
MADE += ["tests/test_{0}.py", "tests/numpy_{0}.py", "compile_flags.txt"]
KINDS = ["diagonal", pytest.param("matrix", marks=pytest.mark.full("the same again, compiled for half a minute"))]

ONCE = """
from my_ops import ops
from loader.testing import check, draw
op = ops["fresh"]
everything = [array.name for array in op.spec.optional]
check(op, draw(op, {"B": 2, "L": 70, **op.spec.examples[-1]}, everything))
print("right")
"""


def python(folder, *arguments):
    """Run Python in a folder, with this checkout's packages: (exit status, all that it printed)."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "LOADER_BUILD": "quick"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def passes(folder, *arguments):
    status, said = python(folder, *arguments)
    assert status == 0, f"{' '.join(arguments)}:\n{said}"
    return said


def new(folder, name, kind):
    return python(ROOT, "-m", "tools.new", name, "--like", kind, "--into", str(folder))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "my-ops"


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
def test_an_op_of_ones_own_works_untouched(folder, kind):
    status, said = new(folder, "fresh", kind)
    assert status == 0, said
    for path in MADE:
        assert f"  {path.format('fresh')}\n" in said and (folder / path.format("fresh")).is_file()
    assert "right" in passes(folder, "-c", ONCE)
    assert "1 passed" in passes(folder, "-m", "pytest", "-p", "no:cacheprovider", "-k", "recurrence")
    assert_clean(folder)


@needs_kernels
@pytest.mark.full("every dtype and option is a program of its own")
def test_its_own_tests_pass(folder):
    assert new(folder, "fresh", "diagonal")[0] == 0
    assert "2 passed" in passes(folder, "-m", "pytest", "-p", "no:cacheprovider")


@pytest.mark.full("another project with another kind of op")
def test_a_second_op_is_added_to_the_first(folder):
    assert new(folder, "one", "diagonal")[0] == 0
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    status, said = new(folder, "two", "matrix")
    assert status == 0 and "pyproject.toml" not in said
    changed = [path.name for path, text in before.items() if path.read_text() != text]
    assert sorted(changed) == ["manifest.yaml", "references.py"]
    names = passes(folder, "-c", "from my_ops import ops; print(*ops, all(op._reference for op in ops.values()))")
    assert names.split() == ["one", "two", "True"]
    assert "2 passed" in passes(folder, "-m", "pytest", "-p", "no:cacheprovider", "-k", "recurrence")


def assert_clean(folder):
    """Lint, ruff and clang-format find nothing."""
    assert passes(ROOT, "-m", "tools.lint", str(folder)) == ""
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for command in (["check", "--select", "E,F,I,B,UP"], ["format", "--check"]) if ruff else ():
        arguments = [ruff, *command, "--isolated", "--line-length", "120", "."]
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_lint_reads_the_headers_of_ours(folder):
    assert new(folder, "fresh", "diagonal")[0] == 0
    kernel = folder / "my_ops/shaders/fresh/forward.metal"
    kernel.write_text(kernel.read_text().replace("affine_apply", "affine_aply"))
    status, said = python(ROOT, "-m", "tools.lint", str(kernel))
    assert status == 1 and "affine_aply" in said and "forward.metal" in said
    kernel.write_text(kernel.read_text().replace("affine_aply", "affine_apply").replace("affine.h", "afine.h"))
    status, said = python(folder, "-c", "import my_ops")
    assert "fresh/forward.metal:11: there is no file loader/afine.h. Did you mean 'affine.h'?" in said


def test_what_is_refused(folder, tmp_path):
    assert new(folder, "fresh", "diagonal")[0] == 0
    before = sorted(folder.rglob("*"))
    for where, name, message in (
        (folder, "fresh", "'fresh' is taken: "),
        (folder, "Fresh", "small letters, digits and _"),
        (tmp_path / "numpy", "fresh", "'numpy' is the name of another package; choose another folder"),
        (folder / "pyproject.toml", "fresh", "expected --into to be a folder but"),
    ):
        status, said = new(where, name, "matrix")
        assert status == 1 and message in said and "Traceback" not in said
    assert sorted(folder.rglob("*")) == before and not (tmp_path / "numpy").exists()
