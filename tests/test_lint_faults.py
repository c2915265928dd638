"""python -m tools.lint on files that it cannot read or parse, or that crash it: it says so, and checks the others."""

import ast
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from faulty_jobs import Job
from oracle import FULL

from tools.lint import __main__ as command
from tools.lint import check, pool, style, values, words
from tools.lint.finding import Finding
from tools.lint.jobs import StyleJob
from tools.lint.source import Source
from tools.lint.tokens import tokenize
from tools.watch import cycle, files

ROOT = Path(__file__).parents[1]
WRONG = ROOT / "tests/lint/wrong/double.metal"
KERNEL = """#include <metal_stdlib>
using namespace metal;

[[kernel]] void k(
    const device half* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  BODY
}
"""


def kernel(body):
    return KERNEL.replace("BODY", body)


def found(body):
    return check.file(Source(ROOT / "k.metal", kernel(body)))


def lint(capsys, *paths):
    """(exit code, findings) of the command, from its JSON."""
    code = command.main([*map(str, paths), "--json"])
    return code, [Finding(*list(row.values())[:5]) for row in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    "body",
    [
        "auto v = min(x[i], 1.0f); if (v < 0.5f) y[i] = 1.0f;",
        "auto v = nothing(i); if (v < 1 < 2) y[i] = 1.0f;",
        "threadgroup float t[32]; auto v = nothing(i); t[v] = 1.0f; y[i] = t[v + 1];",
        "auto v = nothing(i); float t[2]; t[v] += v; y[v] = v;",
        "y[i] += nothing(i); y[i] = nothing << 40; long n = nothing(i) * i;",
        "nothing(i) += 1; nothing(i) = x[0]; nothing[i] = 1.0f;",
        "for (auto v = nothing(i); v < nothing; v += nothing) simd_sum(nothing(v));",
    ],
)
def test_what_clang_cannot_make_out_hides_nothing(body):
    rules = {finding.rule for finding in found(body)}
    assert rules & {"call", "undeclared"} and "internal" not in rules


def test_a_type_that_the_package_of_libclang_does_not_know():
    assert found("y[i] = x[i] - __FLT16_MAX__ / 2;") == set()


def test_messages_keep_the_space_of_const():
    said = [finding.message for finding in found("const bfloat v = y[i] * 2.0f; const ushort n = i; y[n] = v;")]
    assert said and not [message for message in said if "constu" in message or "constb" in message]


@pytest.mark.parametrize("error", [StopIteration(), IndexError("list index out of range"), RecursionError()])
@pytest.mark.parametrize("rules", [words, values])
def test_a_rule_that_fails_is_named_and_the_others_speak(monkeypatch, rules, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(rules, "check", fail)
    findings = found("auto v = min(x[i], 1.0f); float t[2] = {}; y[i] = t[3];")
    (internal,) = [finding for finding in findings if finding.rule == "internal"]
    assert internal.message.startswith(f"{rules.__name__.split('.')[-1]} failed at test_lint_faults.py:")
    assert type(error).__name__ in internal.message and {"call", "bounds"} <= {f.rule for f in findings}


@pytest.fixture
def processes():
    started = pool.Pool()
    yield started
    started.close()


def test_a_job_that_dies_hangs_or_fails_takes_no_other_along(processes, monkeypatch):
    monkeypatch.setattr(pool, "SECONDS", 3)
    names = ["first", "dies", "second", "leaves", "raises", "hangs", "third"]
    results = [result for of_one in processes.run([Job(name) for name in names]) for result in of_one]
    assert [result for result in results if isinstance(result, str)] == ["first", "second", "third"]
    said = {result.file: result.message for result in results if isinstance(result, Finding)}
    assert said.keys() == {"dies", "leaves", "raises", "hangs"}
    assert "SIGABRT" in said["dies"] and "exit code 3" in said["leaves"]
    assert "StopIteration" in said["raises"] and "3 s" in said["hangs"]


def test_jobs_are_shared_out_and_none_is_lost(processes):
    jobs = [Job("dies" if i % 10 == 5 else str(i)) for i in range(40)]
    results = [result for of_one in processes.run(jobs) for result in of_one]
    assert sorted(r if isinstance(r, str) else r.file for r in results) == sorted(job.name for job in jobs)


def test_files_that_cannot_be_read_are_named(tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo.metal")
    (tmp_path / "link.metal").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.metal").symlink_to(tmp_path / "loop.metal")
    os.mkfifo(tmp_path / "manifest.yaml")
    with open(tmp_path / "large.metal", "wb") as file:
        file.truncate(10_000_000)
    (tmp_path / "includes.metal").write_text('#include "fifo.metal"\n#include <metal_stdlib>\n')
    (tmp_path / "no_utf8.metal").write_bytes(b"// caf\xe9\n")
    (tmp_path / "nul.metal").write_bytes(b"// \0\n")
    (tmp_path / "empty.metal").write_bytes(b"")
    (tmp_path / "folder.metal").mkdir()
    (tmp_path / "itself.metal").write_text('#pragma once\n#include "itself.metal"\n#include "other.metal"\n')
    (tmp_path / "other.metal").write_text('#pragma once\n#include "itself.metal"\n')
    code, findings = lint(capsys, tmp_path, tmp_path / "folder.metal", tmp_path / "missing.metal", WRONG)
    rules = {(Path(finding.file).name, finding.rule) for finding in findings}
    unread = ("fifo.metal", "link.metal", "loop.metal", "manifest.yaml", "large.metal", "includes.metal",
              "folder.metal", "missing.metal")  # fmt: skip
    assert {name for name, rule in rules if rule == "file"} == set(unread) and code == 2
    assert {("no_utf8.metal", "encoding"), ("nul.metal", "encoding"), (WRONG.name, "double")} <= rules
    assert not [name for name, rule in rules if rule == "internal" or name == "empty.metal"]


def test_a_sum_of_many_terms(tmp_path, capsys):
    path = tmp_path / "sum.metal"
    terms = 20_000 if FULL else 2_000
    path.write_text(kernel("y[i] = " + " + ".join(["x[i]"] * terms) + ";"))
    code, findings = lint(capsys, path, WRONG)
    assert code == 1 and {Path(finding.file).name for finding in findings} == {WRONG.name}


def test_calls_that_meet_again_and_again():
    """Each function calls the next one twice: the ways through them are too many to go one by one."""
    calls = [f"inline void f{n}() {{ f{n + 1}(); f{n + 1}(); }}" for n in range(60)]
    text = kernel("if (i > 3) f0();").replace("[[kernel]]", "\n".join([*reversed(calls), "", "[[kernel]]"]))
    barrier = "inline void f60() { threadgroup_barrier(mem_flags::mem_threadgroup); }\n"
    findings = check.file(Source(ROOT / "k.metal", text.replace("inline void f59", barrier + "inline void f59")))
    assert "barrier-divergent" in {finding.rule for finding in findings}


def test_without_libclang_it_says_what_to_install(tmp_path):
    (tmp_path / "clang").mkdir()
    (tmp_path / "clang/__init__.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-m", "tools.lint", "--json", str(WRONG)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "pip install" in done.stderr
    assert [row["rule"] for row in json.loads(done.stdout)] == ["internal"]


def test_clang_format_that_dies_is_named(tmp_path, monkeypatch):
    (tmp_path / "clang-format").write_text('#!/bin/sh\ncase "$*" in *deep*) kill -SEGV $$ ;; esac\n')
    (tmp_path / "clang-format").chmod(0o755)
    monkeypatch.setattr(style, "_tool", lambda: str(tmp_path / "clang-format"))
    paths = (tmp_path / "deep.metal", tmp_path / "fine.metal")
    for path in (*paths, tmp_path / ".clang-format"):
        path.write_text("")
    deep, fine = StyleJob(paths).run()
    assert [(f.rule, f.message) for f in deep.run()] == [("internal", "clang-format ended with exit code -11: ")]
    assert fine.run() == []


def test_nothing_ends_an_iteration_unseen():
    """next() without a default raises StopIteration, which a map or a for loop takes for the end."""
    bad = []
    for path in (ROOT / "tools").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", ""))
            is_call = isinstance(node, ast.Call) and (name == "suppress" or (name == "next" and len(node.args) == 1))
            if is_call or (isinstance(node, ast.ExceptHandler) and node.type is None):
                bad.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert bad == []


def mutated(text, words, chance):
    """A text with a few of its tokens dropped, doubled, replaced, or with its rest cut off."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        tokens = tokenize(text)
        if not tokens:
            break
        first, last = sorted(chance.choices(range(len(tokens)), k=2))
        start, end, rest = tokens[first].start, tokens[first].end, tokens[last].start
        text = chance.choice(
            (
                text[:start] + text[end:],
                text[:start] + chance.choice(words) + text[end:],
                text[:end] + " " + chance.choice(words) + " " + text[end:],
                text[:end] + text[start : min(rest, start + 200)] + text[end:],
                text[:start] + text[max(rest, end) :],
                text[:start],
            )
        )
    return text


@pytest.mark.full("a mutation a kernel, a minute in all; test_fuzz.py has others")
def test_mutated_kernels_are_all_accounted_for(tmp_path, capfd):
    chance = random.Random(21)
    sources = [*sorted((ROOT / "tests/lint").glob("*/*.metal")), *sorted((ROOT / "shaders").glob("rglru/*.metal"))]
    signs = ["[[", "]]", "{", "}", "(", "<", "/*", '"', "#", "\0", "\\", "template", "threadgroup", "vec<", "auto"]
    count = 300 if FULL else 40
    for n in range(count):
        path = chance.choice(sources)
        text = mutated(path.read_text(encoding="utf-8"), signs, chance)
        # Each file has a fault that is found whatever the rest is, unless the rest makes it a comment or a string.
        (tmp_path / f"{n:03}_{path.stem}.metal").write_text(f"double known = 1.0;\n{text}", encoding="utf-8")
    code, findings = lint(capfd, tmp_path)
    assert code == 1 and not [finding for finding in findings if finding.rule in ("internal", "file")]
    assert {Path(f.file).name for f in findings if (f.line, f.rule) == (1, "double")} == set(os.listdir(tmp_path))


def test_watch_survives_what_is_saved(tmp_path):
    folder = tmp_path / "shaders/op"
    folder.mkdir(parents=True)
    (tmp_path.parent / "outside.h").write_text("")
    (folder / "k.metal").write_bytes(b'// caf\xe9\n#include "../../../outside.h"\n')
    os.mkfifo(folder / "fifo.metal")
    (folder / "link.metal").symlink_to(folder / "nothing")
    assert {"shaders/op/k.metal", "../outside.h"} <= set(files.snapshot(tmp_path, "op"))


def test_watch_says_how_a_check_ended(capsys):
    script = "import os; os.write(1, b'\\xe9\\n'); os.abort()"
    process = cycle._start(ROOT, "tools.watch.check")
    process.communicate()
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, errors="replace")
    assert cycle._finish("test", [process]) == cycle.WRONG and "ended with SIGABRT" in capsys.readouterr().out
