"""The release: one version, a check that the wheel is complete, workflows with pinned actions."""

import re
import zipfile

import pytest
from documents import ROOT, text

from tools import release


def wheel(folder, files):
    path = folder / "metal_recurrence-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in files:
            archive.writestr(name, "")
    return path


def test_a_whole_wheel_passes(tmp_path):
    release.check(wheel(tmp_path, release.contents()))


@pytest.mark.parametrize(
    "missing",
    [
        "loader/manifest.yaml",
        "loader/plan.py",
        "loader/shaders/rglru/forward.metal",
        "loader/shaders/common/affine.h",
        "loader/portable/include/dialects/opencl/metal_stdlib",
    ],
)
def test_a_wheel_that_lacks_a_file_is_refused(tmp_path, missing):
    with pytest.raises(SystemExit, match=re.escape(missing)):
        release.check(wheel(tmp_path, release.contents() - {missing}))


def test_pythons_that_do_not_start_are_missing(tmp_path, monkeypatch):
    for name, body in (("python3.10", "exit 0"), ("python3.12", "exit 127")):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert release.pythons() == {"3.10": str(tmp_path / "python3.10"), "3.11": None, "3.12": None, "3.13": None}


def test_what_runs_in_an_empty_environment_runs_here(capsys):
    """But for the version and the place, which are those of an installed package."""
    code = release.SMOKE.format(version="0", root="/nowhere")
    exec(re.sub(r"assert version.*", "", code), {})
    assert " ops on " in capsys.readouterr().out


def test_the_changelog_begins_with_the_version():
    written = re.findall(r'^(?:__)?version(?:__)? = "(.*)"', _sources(), re.MULTILINE)
    assert len(written) == 1, "the version stands in one place"
    assert re.search(r"^## ([\d.]+)", text("CHANGELOG.md"), re.MULTILINE)[1] == written[0]


def _sources():
    return "".join((ROOT / path).read_text() for path in ("pyproject.toml", "loader/__init__.py"))


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_actions_are_pinned(path):
    used = re.findall(r"uses: (\S+)", path.read_text())
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)
