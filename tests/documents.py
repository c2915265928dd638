"""Parts of the pages that tests check: blocks of code, commands, links."""

import re
import shlex
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
# But for the report that `make apple` writes.
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "shaders/*.md")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.name != "apple-report.md"
)
# Pages whose code needs packages that `make peers` installs: tests/peers runs it.
OF_PEERS = ("docs/migration.md", "docs/mlx-lm.md")

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    """(language, code) of each fenced block."""
    return [(language, textwrap.dedent(body)) for _, language, body in _FENCE.findall(text(page))]


def code(page, language):
    return [body for name, body in blocks(page) if name == language]


def run(page, scope=None):
    """Run a page's Python, one block after the other, in one scope, which is returned."""
    scope = {} if scope is None else scope
    for body in code(page, "python"):
        exec(compile(body, page, "exec"), scope)
    return scope


def files(page):
    """The files that a page shows: blocks below a line with a path alone."""
    return dict(re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE))


def commands(page):
    """The commands of a page's shell blocks, each as its words, without comments and settings of the environment."""
    lines = [line for body in code(page, "sh") for line in body.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [_without_settings(words) for words in split if words]


def _without_settings(words):
    return words[1:] and _without_settings(words[1:]) if re.fullmatch(r"[A-Z_]+=.*", words[0]) else words


def prose(page):
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text(page)))


def links(page):
    """(path, anchor) of each link and picture that stays in the repository; the path is empty within the page."""
    return re.findall(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)", prose(page))


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def cells(page, heading):
    """The rows of the first table below a heading, each cell's code without its backticks."""
    section = text(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in row] for row in rows]
