"""Apple's parts: compile the units that MLX would hand to Apple's compiler, and build their pipelines."""

import json
import math
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tools.lint import apple, units
from tools.lint.source import Source
from tools.registers import cases

from .session import Failure, Skip

MANIFEST = Path(__file__).parents[2] / "manifest.yaml"
_SWIFT = Path(__file__).with_name("pipelines.swift")
_KERNEL = re.compile(r"\[\[kernel\]\] void custom_kernel_(\w+?_[0-9a-f]{8})")


@cache
def exported(op):
    """The units of an op as (kernel's name with its digest, text), for the calls that lint covers."""
    spec = units.load(MANIFEST)[op]
    _, written, found = units.of({op: spec}, Source(MANIFEST))
    problems = [f"{f.file}:{f.line}: {f.message}" for f in found]
    if problems:
        raise Failure("; ".join(problems), None)
    return [(_KERNEL.search(unit.text)[1], apple.PRELUDE + unit.text) for unit in written]


def export(op):
    """The number of units of each kernel of an op."""
    names = [name for name, _ in exported(op)]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def compile(op):
    """The messages of Apple's compiler about each unit. Raises Failure if it refuses one."""
    _need_apple()
    rows = []
    for name, text in exported(op):
        accepted, said = apple.compile(text)
        rows.append({"kernel": name, "accepted": accepted, "said": said})
    refused = {row["kernel"] for row in rows if not row["accepted"]}
    if refused:
        raise Failure(f"refused: {', '.join(sorted(refused))}", rows)
    return rows


def pipelines(op):
    """The most threads in a group for each unit's pipeline, and the threads launched. Raises Failure if the limit is
    lower, or if a pipeline cannot be built."""
    _need_apple()
    launched = _launched(op)
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for i, (name, text) in enumerate(exported(op)):
            files[str(Path(folder) / f"{i}.metal")] = name
            Path(folder, f"{i}.metal").write_text(text)
        command = [str(_program()), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = []
    for line in done.stdout.splitlines():
        row = json.loads(line)
        name = files[row.pop("file")]
        rows.append({"name": name, "launched_threads": launched.get(name), **row})
    wrong = {row["name"] for row in rows if "error" in row or row["most_threads"] < (row["launched_threads"] or 0)}
    if wrong or not rows:
        raise Failure(f"no pipeline, or one for fewer threads than are launched: {', '.join(sorted(wrong))}", rows)
    return rows


def _launched(op):
    """The most threads in a group among the launches of each kernel."""
    most = {}
    for case in cases.of([op], MANIFEST):
        name, threads = case.launch.kernel.name, math.prod(case.launch.arguments["threadgroup"])
        most[name] = max(threads, most.get(name, 0))
    return most


@cache
def _program():
    """The Swift program beside this file, compiled."""
    program = Path(tempfile.mkdtemp()) / "pipelines"
    subprocess.run(["xcrun", "swiftc", "-O", str(_SWIFT), "-o", str(program)], check=True)
    return program


def _need_apple():
    if reason := apple.missing():
        raise Skip(reason)
