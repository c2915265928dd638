"""The code that the documents show runs as it stands, each page's blocks one after the other."""

import re
from pathlib import Path

import pytest

import loader

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/portable-metal.md", "docs/parallel.md"]
# Pages whose code is for a shell.
OTHERS = ["CONTRIBUTING.md", "docs/first-run-on-a-mac.md", "docs/registers.md"]


@pytest.mark.skipif(loader.backend() == "reference", reason="the pages show kernels, and no engine runs them here")
@pytest.mark.parametrize("page", PAGES)
def test_code_runs(page):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    scope = {}
    for block in blocks:
        exec(compile(block, page, "exec"), scope)


@pytest.mark.parametrize("page", [*PAGES, *OTHERS])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_commands_exist():
    """Every `make` target and `python -m tools.*` that the pages name is there."""
    text = "\n".join((ROOT / page).read_text() for page in [*PAGES, *OTHERS])
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
    for tool in re.findall(r"python -m (tools(?:\.\w+)+)", text):
        path = ROOT / Path(*tool.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), tool
