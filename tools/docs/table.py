"""The table of ops in README.md."""

import re

START, END = "<!-- ops -->", "<!-- /ops -->"


class NoMarkers(Exception):
    """README.md does not say where the table goes."""


def update(readme, ops):
    """The text of README.md with the table between its markers as the ops have it."""
    if readme.count(START) != 1 or readme.count(END) != 1 or readme.index(START) > readme.index(END):
        raise NoMarkers(f"expected README.md to have one line {START} and below it one line {END}; put them back.")
    before, rest = readme.split(START)
    return f"{before}{START}\n{table(ops)}\n{END}{rest.split(END)[1]}"


def table(ops):
    rows = [("op", "recurrence", "paper"), ("---",) * 3, *(_row(spec) for spec in ops)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in rows)


def _row(spec):
    return f"[`{spec.name}`](docs/ops/{spec.name}.md)", spec.summary.rstrip("."), linked(spec.paper)


def linked(paper):
    """A reference with links where it names arXiv."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)
