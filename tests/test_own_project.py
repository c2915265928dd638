"""docs/your-own-ops.md: tools.new makes its project; with the page's files it runs, is correct, and packs."""

import importlib
import shutil
import subprocess
import sys
import zipfile

import mlx.core as mx
import pytest
from documents import ROOT, code, commands, files, run
from oracle import needs_kernels

import loader
from loader.testing import parity

PAGE = "docs/your-own-ops.md"
# Files that the page shows as tools.new writes them.
UNCHANGED = ("my_ops/__init__.py", "tests/test_leaky.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The project as the page's first command leaves it."""
    folder = tmp_path_factory.mktemp("own")
    new = next(words for words in commands(PAGE) if "tools.new" in words)
    arguments = [str(folder / word) if word == "my_ops" else word for word in new[1:]]
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return folder / "my_ops"


@pytest.fixture(scope="module")
def project(made):
    """The same with the page's files in place of the template's: folder, and what the template had in them."""
    templates = {name: (made / name).read_text() for name in files(PAGE)}
    for name, body in files(PAGE).items():
        (made / name).write_text(body)
    return made, templates


@pytest.fixture
def imports(project, monkeypatch):
    """The project, from which Python imports."""
    folder, _ = project
    for place in (folder / "tests", folder):
        monkeypatch.syspath_prepend(place)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] in ("my_ops", "test_leaky", "numpy_leaky")]:
        del sys.modules[name]


def test_the_listed_files_are_those_made(made):
    listed = {line.strip() for line in code(PAGE, "text")[0].splitlines()[1:]}
    assert {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()} == listed


def test_files_shown_as_made_are(project):
    _, templates = project
    assert all(templates[name] == files(PAGE)[name] for name in UNCHANGED)


@needs_kernels
def test_the_page_runs_and_its_op_is_right(imports):
    """The page's Python; then each dtype against a sum of powers, which is neither the kernel nor the reference."""
    leaky = run(PAGE)["leaky"]
    assert leaky.spec.path == imports / "my_ops/manifest.yaml"
    x = mx.random.normal((3, 7, 33))
    powers = mx.array([[0.5 ** (t - s) if s <= t else 0 for s in range(7)] for t in range(7)])
    want = mx.einsum("ts,bsd->btd", powers, x)
    for dtype, limit in ((mx.float32, 1e-6), (mx.float16, 2e-3), (mx.bfloat16, 1e-2)):
        got = leaky(x.astype(dtype), rate=0.5)
        assert got.dtype == dtype
        assert mx.linalg.norm(got - want) <= limit * mx.linalg.norm(want)


@needs_kernels
def test_a_wrong_gradient_is_reported_as_shown(imports, tmp_path):
    """The backward pass without its decay."""
    package = shutil.copytree(imports / "my_ops", tmp_path / "wrong")
    kernel = package / "shaders/leaky/backward.metal"
    kernel.write_text(kernel.read_text().replace("adjoint *= rate[0];", ""))
    references = vars(importlib.import_module("my_ops.references"))
    wrong = loader.load(package / "manifest.yaml", references=references)["leaky"]
    with pytest.raises(AssertionError) as caught:
        parity(wrong)
    assert f"{caught.value}\n" == code(PAGE, "text")[1]


def test_the_reference_is_the_recurrence(imports):
    importlib.import_module("test_leaky").test_reference_is_the_recurrence()


@needs_kernels
@pytest.mark.full("every dtype and option is a program of its own")
def test_the_kernels_match_the_reference(imports):
    importlib.import_module("test_leaky").test_kernels_match_the_reference()


@pytest.mark.full("lint of an untouched project, in test_new_project.py, runs by default")
def test_lint_finds_nothing(imports):
    done = subprocess.run([sys.executable, "-m", "tools.lint", str(imports)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_wheel_holds_kernels_and_manifest(imports):
    """The wheel's files are those of the package; pip's own way to it is tools.release's to try."""
    pytest.importorskip("hatchling.build", reason="hatchling packs the page's project: extra test")
    done = subprocess.run(
        [sys.executable, "-c", "from hatchling.build import build_wheel; print(build_wheel('..'))"],
        cwd=imports,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(imports.parent / done.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    assert {"my_ops/manifest.yaml", "my_ops/shaders/leaky/forward.metal", "my_ops/__init__.py"} <= names
