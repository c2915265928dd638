"""The rows of a run as a Markdown table."""

TEXT = ("case", "dtype", "engine", "who", "pass")
NUMBERS = ("ms", "times ours", "tokens/s", "of copy floor", "peak MB", "saved MB")


def table(rows):
    lines = [TEXT + NUMBERS, ("---",) * len(TEXT) + ("---:",) * len(NUMBERS), *map(_cells, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cells(row):
    floor = f"{row.floor:.0%}" if row.floor is not None else ""
    saved = f"{row.saved_megabytes:.1f}" if row.saved_megabytes is not None else ""
    speed = f"{row.tokens_per_second:,.0f}"
    numbers = (f"{row.milliseconds:.2f}", f"{row.ratio:.2f}", speed, floor, f"{row.peak_megabytes:.0f}", saved)
    return (row.case, row.dtype, row.engine, row.who, row.what, *numbers)
