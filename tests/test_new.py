"""`python -m tools.new` in a scratch copy of the repository: what it makes is right, tested, documented and clean,
and what it refuses it says the way out of."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from oracle import first

import loader

ROOT = Path(__file__).parents[1]
kernels = pytest.mark.skipif(loader.backend() == "reference", reason="no engine can run kernels here")

KINDS = first(1, ["diagonal", "matrix"], "the same again, compiled for half a minute")

# Sizes that the examples do not have: gates of 0 and below, the most keys, several blocks of values.
EXTREMES = """
import sys
sys.path.insert(0, "tests")
import mlx.core as mx
from oracle import check, draw, poisoned
op = poisoned(sys.argv[1])
decay = op.spec.required[-1 if sys.argv[1] == "fresh_matrix" else 0].name
for sizes in ({"H": 2, "Dk": 256, "Dv": 70, "D": 70}, {"H": 1, "Dk": 129, "Dv": 32, "D": 32}):
    given = draw(op, {"B": 2, "L": 130, **sizes}, ["initial_state", "reset"])
    for gate in (given[decay], mx.zeros_like(given[decay]), -given[decay]):
        check(op, {**given, decay: gate})
print("right")
"""


def copy_of_repository(folder):
    """Copy the repository as it lies here, without what git ignores. Returns the folder."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
    for path in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path, follow_symlinks=False)
    return folder


@pytest.fixture
def checkout(tmp_path):
    return copy_of_repository(tmp_path)


def python(checkout, *arguments):
    """Run Python in a checkout: (exit status, all that it printed)."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


def passes(checkout, *arguments):
    status, said = python(checkout, *arguments)
    assert status == 0, f"{' '.join(arguments)}:\n{said}"
    return said


def new(checkout, name, kind="diagonal"):
    return python(checkout, "-m", "tools.new", name, "--like", kind)


@kernels
@pytest.mark.full("the tests of a new op run in a checkout, for a minute")
@pytest.mark.parametrize("kind", ["diagonal", "matrix"])
def test_a_new_op_works_untouched(checkout, kind):
    name = f"fresh_{kind}"
    status, said = new(checkout, name, kind)
    assert status == 0, said
    for path in (f"shaders/{name}/forward.metal", f"tests/numpy_ops/{name}.py", f"docs/ops/{name}.md"):
        assert f"  {path}\n" in said and (checkout / path).is_file()
    assert "is right" in passes(checkout, "-m", "tools.watch", name, "--once")
    extremes = passes(checkout, "-c", EXTREMES, name).splitlines()
    assert [line for line in extremes if not line.startswith("[loader] compiling ")] == ["right"]
    files = [f"tests/test_{file}.py" for file in ("reference", "golden", "docs", "manifest", "bad_input")]
    assert "passed" in passes(
        checkout, "-m", "pytest", "-p", "no:cacheprovider", *files, "-k", f"{name} or every or own"
    )
    passes(checkout, "-m", "tools.docs", "--check")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_op_is_clean(checkout, kind):
    name = "a_name_as_long_as_may_be"
    assert new(checkout, name, kind)[0] == 0
    made = ["loader/reference.py", f"tests/numpy_ops/{name}.py"]
    shaders = [str(path) for path in (checkout / "shaders" / name).glob("*.metal")]
    assert len(shaders) == 2
    for tool, *arguments in (
        ("ruff", "check", *made),
        ("ruff", "format", "--check", *made),
        ("clang-format", "--dry-run", "-Werror", *shaders),
    ):
        command = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if command:
            done = subprocess.run([command, *arguments], cwd=checkout, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    if (checkout / "tools/lint/__main__.py").is_file():
        passes(checkout, "-m", "tools.lint", *shaders)


@pytest.mark.parametrize(
    "name, message",
    [
        ("rglru", "'rglru' is taken: manifest.yaml has it; choose another name"),
        ("mx", "'mx' is taken: loader/reference.py has it"),
        ("My-Op", "small letters, digits and _, at most 24 long and no word of Python's, but got 'My-Op'; try 'my_op'"),
        ("2nd", "got '2nd'; try 'nd'"),
        ("lambda", "got 'lambda'; try 'lambda_op'"),
        ("n" * 25, f"got '{'n' * 25}'; try '{'n' * 21}'"),
        ("é", "got 'é'; try 'my_op'"),
    ],
)
def test_names_that_are_refused(checkout, name, message):
    before = sorted(checkout.rglob("*"))
    status, said = new(checkout, name)
    assert status == 1 and message in said and "Traceback" not in said
    assert sorted(checkout.rglob("*")) == before


def test_only_a_checkout_can_take_an_op(tmp_path):
    shutil.copytree(ROOT / "tools", tmp_path / "tools", symlinks=True)
    status, said = new(tmp_path, "fresh")
    assert status == 1 and "has no manifest.yaml, loader/reference.py, tests/numpy_ops; clone the repository" in said


def test_a_failure_still_says_what_was_made(checkout):
    (checkout / "README.md").write_text("# no table\n")
    status, said = new(checkout, "fresh")
    assert status == 1 and "made fresh:\n  shaders/fresh/backward.metal\n" in said
    assert "to undo: delete fresh from manifest.yaml and loader/reference.py" in said
    assert "fresh is written, but `python -m tools.docs` fails" in said and "put them back" in said
