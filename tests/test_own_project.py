"""docs/your-own-ops.md, a project as it stands: its op runs and is right, and its wheel holds what it needs."""

import importlib
import subprocess
import sys
import zipfile

import mlx.core as mx
import pytest
from documents import code, files, run
from oracle import needs_kernels

PAGE = "docs/your-own-ops.md"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The files of the page in a folder, from which Python imports."""
    for name, body in files(PAGE).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "leaky"]:
        del sys.modules[name]


@needs_kernels
def test_the_page_runs(project):
    scope = run(PAGE)
    assert scope["leaky"].spec.path == project / "leaky/manifest.yaml"


@needs_kernels
def test_the_op_is_right(project):
    """Each option and dtype against a sum of powers, which is neither the kernel nor the reference."""
    leaky = importlib.import_module("leaky").leaky
    x = mx.random.normal((3, 7, 33))
    powers = mx.array([[0.5 ** (t - s) if s <= t else 0 for s in range(7)] for t in range(7)])
    want = mx.einsum("ts,bsd->btd", powers, x)
    for dtype, limit in ((mx.float32, 1e-6), (mx.float16, 2e-3), (mx.bfloat16, 1e-2)):
        got = leaky(x.astype(dtype), rate=0.5)
        assert got.dtype == dtype
        assert mx.linalg.norm(got - want) <= limit * mx.linalg.norm(want)
    _, state = leaky(x[:, :3], rate=0.5, return_state=True)
    assert mx.allclose(leaky(x[:, 3:], rate=0.5, initial_state=state), want[:, 3:], atol=1e-5)


def test_the_listed_files_are_those_shown(project):
    made = {path.relative_to(project).as_posix() for path in project.rglob("*.*") if path.is_file()}
    listed = {line.strip() for line in code(PAGE, "text")[0].splitlines()[1:]}
    assert made == listed


def test_the_wheel_holds_kernels_and_manifest(project):
    """The wheel's files are those of the package; pip's own way to it is tools.release's to try."""
    build = pytest.importorskip("hatchling.build", reason="hatchling packs the page's project: extra test")
    done = subprocess.run(
        [sys.executable, "-c", "from hatchling.build import build_wheel; print(build_wheel('.'))"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert build and done.returncode == 0, done.stderr
    with zipfile.ZipFile(project / done.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    assert {"leaky/manifest.yaml", "leaky/shaders/leaky/forward.metal", "leaky/__init__.py"} <= names
