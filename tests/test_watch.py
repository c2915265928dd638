"""`python -m tools.watch`: the files it watches, and its verdict on them, in a copy of the repository."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from test_new import copy_of_repository, kernels, python

from tools.watch import files

ROOT = Path(__file__).parents[1]
FORWARD = "shaders/rglru/forward.metal"


@pytest.fixture
def checkout(tmp_path):
    return copy_of_repository(tmp_path)


def once(checkout):
    return python(checkout, "-m", "tools.watch", "rglru", "--once")


def edit(checkout, path, old, new):
    text = (checkout / path).read_text()
    assert old in text
    (checkout / path).write_text(text.replace(old, new, 1))


def test_every_file_of_an_op_is_watched():
    found = set(files.snapshot(ROOT, "rglru"))
    assert {FORWARD, "shaders/rglru/backward.metal", "shaders/common/affine.h"} <= found
    assert {"manifest.yaml", "loader/reference.py", "tests/numpy_ops/rglru.py"} <= found


def test_a_file_that_is_replaced_counts_once_it_is_back():
    assert files.changed({"a": 1, "b": 2}, {"a": 1}) == []
    assert files.changed({"a": 1}, {"a": 1, "b": 3}) == ["b"]


@kernels
@pytest.mark.parametrize(
    "path, old, new, said",
    [
        (FORWARD, "gate[i], value[i], h)", "gate[i], value[i], 2 * h)", "B8 L7 D100: y (float32): error"),
        *(
            pytest.param(*case, marks=pytest.mark.full("each tests a checkout in processes of its own"))
            for case in (
                (FORWARD, "carry.x;\n", "curry.x;\n", "use of undeclared identifier 'curry'"),
                ("shaders/rglru/backward.metal", "g * value[i]", "g", "grad_a (float32): error"),
                (
                    "shaders/rglru/backward.metal",
                    "device A* grad_a,",
                    "device A* grad_c,",
                    "[rglru] backward[0]: makes 'grad_c', which is not declared",
                ),
                ("manifest.yaml", '    summary: "', '    sumary: "', "[rglru] sumary: unknown key"),
                ("manifest.yaml", "  rglru:", "  rglrv:", "manifest.yaml has no op 'rglru'"),
                (
                    "loader/reference.py",
                    "h = decay[:, t] * h",
                    "h = h",
                    "the reference and its twin differ by more than 1e-12",
                ),
            )
        ),
    ],
)
def test_what_is_wrong_is_said(checkout, path, old, new, said):
    edit(checkout, path, old, new)
    status, printed = once(checkout)
    assert status == 1 and said in printed and "rglru is wrong" in printed
    assert "Traceback" not in printed


def test_an_op_that_is_not_there(checkout):
    status, printed = python(checkout, "-m", "tools.watch", "rglu", "--once")
    assert status == 2 and "there is no folder shaders/rglu; expected one of" in printed
    assert "python -m tools.new rglu" in printed


@kernels
@pytest.mark.full("a checkout is tested twice in processes of its own")
def test_a_save_starts_a_round(checkout):
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    with subprocess.Popen(
        [sys.executable, "-m", "tools.watch", "rglru"],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        # Without this a round that never comes would be waited for without end.
        deadline = threading.Timer(600, process.kill)
        deadline.start()
        try:
            until(process, "watching")
            edit(checkout, FORWARD, "carry.x;\n", "curry.x;\n")
            assert f"saved {FORWARD}\n" in until(process, "rglru is wrong")
            edit(checkout, FORWARD, "curry.x;\n", "carry.x;\n")
            until(process, "rglru is right")
        finally:
            deadline.cancel()
            process.kill()


def until(process, text):
    """What a process prints, up to the line that has `text`."""
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} did not come:\n{said}")
