"""Counted rows as a Markdown table."""

import sys

from tqdm import tqdm

_HEAD = (
    "kernel",
    "dtype",
    "head",
    "threads",
    "registers",
    "arrays",
    "stack",
    "spills",
    "group bytes",
    "barriers",
)


def worst(rows):
    """Of each kernel, dtype and size of heads the row that needs the most; ops share kernels."""
    kept = {}
    for row in rows:
        key = (row.kernel, row.dtype, row.head)
        if key not in kept or _needs(row) > _needs(kept[key]):
            kept[key] = row
    return list(kept.values())


def _needs(row):
    return row.held_stack, row.registers, row.stack


def table(rows):
    lines = [_HEAD, ("---",) * 2 + ("---:",) * 8, *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row):
    mark = "**" if row.problems else ""
    numbers = (row.stack, f"{mark}{row.held_stack}{mark}", row.held_spill, row.threadgroup_bytes, row.barriers)
    head = str(row.head or "")
    return (row.kernel, row.dtype, head, str(row.threads), str(row.registers), *map(str, numbers))


def progress(counted, total):
    """A bar over what is counted, on a terminal."""
    return tqdm(counted, desc="registers", total=total, leave=False, disable=not sys.stderr.isatty())
