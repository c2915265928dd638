"""Every line of the library's lists has a probe: a new function is one line there, and one here."""

import re
from pathlib import Path

import pytest

from loader.portable import LIBRARY

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
