"""The rows of a run as a Markdown table."""

HEAD = ("case", "dtype", "engine", "who", "pass", "ms", "times ours", "of copy floor", "peak MB")


def table(rows):
    lines = [HEAD, ("---",) * 5 + ("---:",) * 4, *map(_cells, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cells(row):
    floor = f"{row.floor:.0%}" if row.floor is not None else ""
    numbers = (f"{row.milliseconds:.2f}", f"{row.ratio:.2f}", floor, f"{row.peak_megabytes:.0f}")
    return (row.case, row.dtype, row.engine, row.who, row.what, *numbers)
