"""Every line of the library's lists has a probe: a new function is one line there, and one here."""

import re
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from oracle import first
from run import LANES, run

import loader
from loader.portable import LIBRARY, dialect
from loader.portable.opencl import unit

PROBES = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
LINE = re.compile(r"^MSL_\w+\((\w+)", re.MULTILINE)


def listed():
    return [
        name for header in ("elementwise", "integer") for name in LINE.findall((LIBRARY / f"{header}.h").read_text())
    ]


@pytest.mark.parametrize("name", sorted(set(listed())))
def test_a_function_has_a_probe(name):
    assert re.search(rf"\b{name}\(|[\"']{name}[\"']", PROBES), f"expected a probe of {name} in tests/portable"


def test_the_lists_are_read():
    assert len(listed()) > 80


# (number of arguments, name), functions that call others of the list first.
ALONE = re.findall(
    r"^MSL_(?:NUMBER|COMPOSED|NATIVE|OPENCL|FLOAT)_(\d)\((\w+)", (LIBRARY / "elementwise.h").read_text(), re.MULTILINE
)
ALONE = [("3", "max3"), ("3", "clamp"), *(each for each in ALONE if each[1] != "clamp")]


@pytest.mark.parametrize("count, name", first(2, ALONE, "each function is two programs of its own"))
def test_a_unit_that_names_one_function_computes_as_with_all_of_them(count, name):
    x = mx.array(np.linspace(0.1, 1.5, LANES), mx.float16)
    body = f"half3 v = {name}({', '.join(['half3(a[i])', 'half3(0.25h, 0.5h, 1.0h)', 'half3(0.5h)'][: int(count)])});"
    body += "out[i] = dot(v, half3(1.0h, 2.0h, 4.0h));"
    alone, among_all = run(body, x), run(body, x, header="#define PASTE(a, b) a##b\n")
    np.testing.assert_array_equal(alone, among_all)
    assert np.isfinite(alone).any()


def test_a_unit_declares_what_it_names_and_what_that_calls():
    found, always = (set(unit.elementwise(text).split()) for text in ("max3(x, y, z) + precise::exp(w)", ""))
    # Headers have fmax for themselves.
    assert found - always == set("MSL_NATIVE_1(exp) MSL_COMPOSED_2(max, fmax(x, y))".split())
    assert "MSL_NATIVE_2(fmax)" in always and "MSL_NATIVE_1(tan)" not in found
    assert unit.elementwise("fmax(x, y) a##b") == ""


def test_headers_call_elementwise_functions_of_the_library_alone():
    folders = (dialect("opencl"), dialect("clang"))
    text = "".join(path.read_text() for folder in folders for path in folder.iterdir() if path.stem != "elementwise")
    names = "|".join(LINE.findall((LIBRARY / "elementwise.h").read_text()))
    assert re.findall(rf"\bmetal::(?:\w+::)?(?:{names})\b", text) == []


@pytest.mark.skipif(loader.backend() != "opencl", reason="about the log of the opencl engine")
def test_a_misspelt_function_is_told_its_name():
    with pytest.raises(loader.CompileError, match="'saturte'; did you mean 'saturate'") as caught:
        run("out[i] = saturte(a[i]);", mx.zeros(LANES))
    assert str(caught.value).count("error:") == 1
