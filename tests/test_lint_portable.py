"""Lint and the engines read one language: lint says of the kernels of tests/portable what lint/portable.yaml lists, the
Metal that the engines run and Apple's compiler refuses, and nothing else."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from oracle import first

from tools.lint import check
from tools.lint.options import Options
from tools.lint.source import Source

PORTABLE = Path(__file__).parent / "portable"
MODULES = sorted(path.stem for path in PORTABLE.glob("test_*.py") if path.stem not in ("test_library", "test_rewrite"))


@cache
def listed():
    return yaml.safe_load((PORTABLE.parent / "lint/portable.yaml").read_text())


def kernels(module, folder):
    """{text: test} of the kernels of a module, none of which runs."""
    record = folder / "kernels.json"
    command = [sys.executable, "-m", "pytest", "-p", "record", "-p", "no:cacheprovider", "--tb=no", f"{module}.py"]
    environment = {
        **os.environ,
        "FULL": "1",
        "RECORD": str(record),
        "PYTHONPATH": os.pathsep.join([str(PORTABLE), *sys.path]),
    }
    subprocess.run(command, cwd=PORTABLE, env=environment, stdout=subprocess.DEVNULL, check=False)
    return json.loads(record.read_text())


def findings(text):
    source = Source(Path("/probe.metal"), text, is_unit=True, options=Options(style=False))
    return {f"{finding.rule}: {finding.message}" for finding in check.file(source, instances=())}


@pytest.mark.parametrize("module", first(3, MODULES, "lint takes a fifth of a second a kernel"))
def test_lint_reads_what_the_engines_run(module, tmp_path):
    texts = kernels(module, tmp_path)
    assert texts
    found = {message: test for text, test in texts.items() for message in findings(text)}
    expected = set(listed().get(module, ()))
    assert {message: test for message, test in found.items() if message not in expected} == {}
    assert expected <= found.keys(), "what lint does not say any more leaves lint/portable.yaml"


def test_the_list_is_of_modules_that_are_there():
    assert set(listed()) <= set(MODULES)
