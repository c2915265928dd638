"""The pages: code runs, commands and links exist, README.md is short and in order."""

import importlib.util
import re
import sys

import pytest
from documents import OF_PEERS, PAGES, ROOT, anchors, blocks, code, commands, files, links, run, text

import loader

try:
    import tomllib
except ImportError:  # Python 3.10
    tomllib = None

# Blocks for programs that no test starts: editors, and Xcode.
UNTRIED = {"docs/editors.md": {"lua", "cpp"}}
PROGRAMS = {"make", "python", "pip", "mlx.launch", "mlx.distributed_config", "xcode-select"}
RUN_HERE = [page for page in PAGES if code(page, "python") and page not in OF_PEERS and not files(page)]


@pytest.mark.skipif(loader.backend() == "reference", reason="the pages show kernels, and no engine runs them here")
@pytest.mark.parametrize("page", RUN_HERE)
def test_code_runs(page):
    run(page)


def test_every_op_has_a_page_that_runs():
    assert {f"docs/ops/{name}.md" for name in loader.names()} <= set(RUN_HERE)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_tested(page):
    """Python runs, in this file, in test_own_project.py or in tests/peers; commands are checked below."""
    shown = {language for language, _ in blocks(page)} - {"python", "sh", "text"}
    if page == "docs/mlx-lm.md":
        shown -= {"py"}  # a fine-tune, which tests/peers starts
    if not files(page):
        assert shown - {"toml"} <= UNTRIED.get(page, set())
    for body in code(page, "toml") if tomllib else ():
        tomllib.loads(body)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_commands_exist(page):
    for program, *words in commands(page):
        assert program in PROGRAMS, program
        if program == "make":
            assert set(re.findall(r"^\w+$", "\n".join(words), re.MULTILINE)) <= targets(), words
        if program == "pip" or words[:2] == ["-m", "pip"]:
            assert wanted_extras(words) <= extras(), words
        elif words[:1] == ["-m"]:
            module_exists(words[1], [word for word in words if word.startswith("--")])


def test_named_commands_exist():
    """Every `make` target and `python -m tools.*` in the sentences exists."""
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z]+)", text(page))}
    assert {"demo", "test"} <= named <= targets()
    for module in {module for page in PAGES for module in re.findall(r"python -m (tools(?:\.\w+)+)", text(page))}:
        module_exists(module, ())


def targets():
    return set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def extras():
    section = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    return set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))


def wanted_extras(words):
    return {extra for word in words for group in re.findall(r"\[([\w,]+)\]", word) for extra in group.split(",")}


def module_exists(name, options):
    """The module is there, and one of ours has these options."""
    found = importlib.util.find_spec(name)
    assert found, name
    if name.startswith("tools"):
        folder = ROOT.joinpath(*name.split("."))
        sources = [*folder.glob("*.py")] if folder.is_dir() else [folder.with_suffix(".py")]
        known = "".join(path.read_text() for path in sources)
        for option in options:
            assert f'"{option.partition("=")[0]}"' in known, f"{name} {option}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for path, anchor in links(page):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), f"{path}#{anchor}"


def test_every_page_is_linked():
    found = {((ROOT / page).parent / path).resolve() for page in PAGES for path, _ in links(page) if path}
    assert {ROOT / page for page in PAGES} - found == {ROOT / "README.md"} - found


def test_readme_is_short_and_in_order():
    readme = text("README.md")
    assert len(readme.splitlines()) <= 120
    order = ["Status", "Install", "Ten lines", "The ops", "Speed", "Read on"]
    assert re.findall(r"^## (.*)$", readme, re.MULTILINE)[: len(order)] == order


def test_settings_are_documented():
    """Every environment variable that the package reads is in the table of settings, and no other."""
    read = {n for path in (ROOT / "loader").rglob("*.py") for n in re.findall(r'"(LOADER_[A-Z]+)"', path.read_text())}
    assert read == set(re.findall(r"^\| `(LOADER_[A-Z]+)` \|", text("docs/architecture.md"), re.MULTILINE))


def test_python_is_named_as_here():
    """The pages say the oldest Python that pyproject.toml does."""
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert f"Python {oldest} or later" in text("README.md")
    assert sys.version_info >= tuple(map(int, oldest.split(".")))
