"""Markdown tables, and the sections of README.md that are made from others."""

import re


class Missing(Exception):
    """A page lacks what another is made from, or the place where it goes."""


def update(readme, name, text):
    """The text of README.md with `text` between its markers <!-- name --> and <!-- /name -->."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if readme.count(start) != 1 or readme.count(end) != 1 or readme.index(start) > readme.index(end):
        raise Missing(f"expected README.md to have one line {start} and below it one line {end}; put them back.")
    before, rest = readme.split(start)
    return f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}"


def of_ops(ops):
    """A row for each op: its page, its recurrence and where that is from."""
    return table([("op", "recurrence", "paper"), *map(_row, ops)])


def _row(spec):
    return f"[`{spec.name}`](docs/ops/{spec.name}.md)", spec.summary.rstrip("."), linked(spec.paper)


def linked(paper):
    """A reference with links where it names arXiv."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


def plain(line):
    """A line whose stars, underlines, angles and brackets mean nothing in Markdown, but for code between backticks."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[])", r"\\\1", part) for part in parts)


def table(rows):
    """Rows of cells as a Markdown table, whose first row is the head."""
    head, *rest = rows
    lines = [head, ("---",) * len(head), *rest]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells).rstrip() + " |" for cells in lines)


def read(text, heading):
    """The first table below a heading of a page, as mappings from the head's cells to a row's."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    if not lines:
        raise Missing(f"expected docs/performance.md to have a table below {heading!r}; README.md is made from it.")
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row)) for row in rows]
