"""One round: lint and tests in parallel, each in a new process, and the verdict."""

import os
import signal
import subprocess
import sys
import time

from . import files

RIGHT, WRONG, NOT_RUN = 0, 1, 2
_LINES = 40
# The number of processes that share the cases: compiling takes most of a round.
_PARTS = min(4, os.cpu_count() or 1)


def run(root, op, saved):
    """Lint and test the op after the files `saved` changed. Prints the findings and returns the outcome."""
    start = time.perf_counter()
    jobs = {"lint": [_start(root, *_lint(root, op, saved))]} if _has_lint(root) else {}
    jobs["test"] = [_start(root, "tools.watch.check", op, str(part), str(_PARTS)) for part in range(_PARTS)]
    outcome = _worst([_finish(name, processes) for name, processes in jobs.items()])
    word = {RIGHT: "is right", WRONG: "is wrong", NOT_RUN: "is not wrong as far as it could be tested"}[outcome]
    print(f"{_coloured(f'{op} {word}', outcome)}, {time.perf_counter() - start:.1f} s", flush=True)
    return outcome


def _worst(outcomes):
    return WRONG if WRONG in outcomes else max(outcomes)


def _has_lint(root):
    return (root / "tools/lint/__main__.py").is_file()


def _lint(root, op, saved):
    """Lint the saved kernels, or all kernels of the op if another file was saved."""
    kernels = [path.relative_to(root).as_posix() for path in files.kernels(root, op)]
    return "tools.lint", *(saved if saved and set(saved) <= set(kernels) else kernels)


def _start(root, module, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _finish(name, processes):
    """Print what processes that share a job said; an exit that is not one of a round's says that it is wrong."""
    said = [line for process in processes for line in process.communicate()[0].splitlines()]
    said += [f"ended with {signal.Signals(-p.returncode).name}" for p in processes if p.returncode < 0]
    outcome = _worst([p.returncode if p.returncode in (RIGHT, NOT_RUN) else WRONG for p in processes])
    word = {RIGHT: "ok", WRONG: "wrong", NOT_RUN: "not run"}[outcome]
    lines = [] if outcome == RIGHT else list(dict.fromkeys(said))
    more = [f"... and {len(lines) - _LINES} lines more"] if len(lines) > _LINES else []
    print("\n    ".join([f"  {name}  {_coloured(word, outcome)}", *lines[:_LINES], *more]), flush=True)
    return outcome


def _coloured(text, outcome):
    if not sys.stdout.isatty():
        return text
    return f"\033[{ {RIGHT: 32, WRONG: 31, NOT_RUN: 33}[outcome] }m{text}\033[0m"
