"""The report as Markdown, for readers; the JSON file has every detail."""

_TITLES = {
    "export": "Units that MLX hands to Apple's compiler",
    "compile": "Apple's compiler",
    "pipelines": "Pipelines: threads in a group",
    "parity": "Errors against float64",
    "ops": "Ops, float32",
    "models": "Layers of public models, bfloat16",
}


def text(content):
    """The page of a report's content."""
    facts = [f"| {key} | {_cell(value)} |" for key, value in content["machine"].items()]
    title = "# Metal kernels on a Mac" + (" (dry run)" if content["dry_run"] else "")
    lines = [title, "", f"Started {content['started']}.", "", "| | |", "|---|---|", *facts]
    for part in dict.fromkeys(row["part"] for row in content["results"]):
        rows = [row for row in content["results"] if row["part"] == part]
        lines += ["", f"## {_TITLES.get(part, part)}", "", *_summary(rows), *_TABLES.get(part, _plain)(rows)]
    return "\n".join(lines) + "\n"


def _summary(rows):
    """Failures and missing parts, with their messages; they come first."""
    lines = [f"{sum(row['status'] == 'done' for row in rows)} of {len(rows)} done.", ""]
    for row in rows:
        if row["status"] == "failed":
            lines += [f"**{row['name']} failed**:", "", "```", row["said"], "```", ""]
    skipped = {}
    for row in rows:
        if row["status"] == "skipped":
            skipped.setdefault(row["said"], []).append(row["name"])
    return lines + [f"Left out, because {said}: {', '.join(names)}." for said, names in skipped.items()]


def _plain(rows):
    return []


def _export(rows):
    done = [row for row in rows if row["result"]]
    return _table(("op", "kernels", "units"), [(r["name"], len(r["result"]), sum(r["result"].values())) for r in done])


def _compile(rows):
    """The kernels with messages of Apple's compiler."""
    cells = []
    for unit in (unit for row in rows for unit in row["result"] or ()):
        if unit["said"]:
            cells.append((unit["kernel"], "yes" if unit["accepted"] else "**no**", unit["said"]))
    return _table(("kernel", "accepted", "said"), cells) if cells else []


def _pipelines(rows):
    cells = {}
    for row in (unit for each in rows for unit in each["result"] or ()):
        most = row.get("most_threads", row.get("error"))
        key = (row["name"], row["launched_threads"], most, row.get("threadgroup_bytes"))
        cells[key] = None
    return _table(("kernel", "launched", "most", "threadgroup bytes"), cells)


def _parity(rows):
    cells = [
        (row["name"], what, f"{found['error']:.1e}", f"{found['bound']:.0e}")
        for row in rows
        for what, found in (row["result"] or {}).items()
    ]
    return _table(("op", "of", "error", "promised"), cells)


def _times(rows):
    cells = []
    for row in (row for each in rows for row in each["result"] or ()):
        numbers = (f"{row['milliseconds']:.3f}", f"{row['ratio']:.2f}", f"{row['peak_megabytes']:.0f}")
        cells.append((row["case"], f"{row['who']} {row.get('note', '')}".strip(), row["what"], *numbers))
    return _table(("case", "who", "pass", "ms", "times ours", "peak MB"), cells)


_TABLES = {
    "export": _export,
    "compile": _compile,
    "pipelines": _pipelines,
    "parity": _parity,
    "ops": _times,
    "models": _times,
}


def _table(head, rows):
    lines = ["", *(f"| {' | '.join(map(_cell, cells))} |" for cells in (head, ("---",) * len(head), *rows))]
    return lines if rows else []


def _cell(value):
    return " ".join(str(value).replace("|", "\\|").split())
