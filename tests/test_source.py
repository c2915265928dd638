"""A kernel file cut into header, body and signature."""

import os

import pytest
from growth import TEXTS, assert_linear

import loader
from loader import source

KERNEL = """// Twice x.
#include <metal_stdlib>
#include "../common/twice.h"
using namespace metal;

template <typename T, int N = 2>
[[kernel]] void twice(
    const device T* x [[buffer(0)]],  // [N] x_strides
    const constant int* x_shape,
    device T* y,  // [N]
    uint3 thread_position_in_grid [[thread_position_in_grid]]) {
  /* y_ndim
     in here */ const char* s = "// kept";
  if (x_shape[0]) { y[0] = twice_of(x[0]); }
}
"""
HEADER = """#pragma once
#include "deep.h"
// no y_shape
template <typename T> T twice_of(T x) { return 2 * deep(x); }
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "shaders" / "common").mkdir(parents=True)
    (tmp_path / "shaders" / "op").mkdir()
    (tmp_path / "shaders" / "common" / "twice.h").write_text(HEADER)
    (tmp_path / "shaders" / "common" / "deep.h").write_text('#pragma once\n#include "twice.h"\nint deep(int x);\n')
    (tmp_path / "shaders" / "op" / "twice.metal").write_text(KERNEL)
    return tmp_path


def read(tree):
    return source.read(tree / "shaders" / "op" / "twice.metal", tree)


def test_cut(tree):
    kernel = read(tree)
    assert (kernel.name, kernel.file) == ("twice", "shaders/op/twice.metal")
    assert [(p.type, p.name) for p in kernel.template] == [("typename", "T"), ("int", "N")]
    assert kernel.parameters[-1].attribute == "thread_position_in_grid"
    assert kernel.parameters[1].type == "const constant int*"
    assert "y[0] = twice_of(x[0]);" in kernel.body and "[[kernel]]" not in kernel.header


def test_comments_go_and_strings_stay(tree):
    kernel = read(tree)
    for word in ("x_strides", "y_ndim", "y_shape", "Twice x"):
        assert word not in kernel.body + kernel.header
    assert '"// kept"' in kernel.body


def test_includes_are_in_place_once(tree):
    header = read(tree).header
    assert "#pragma once" not in header and '#include "' not in header
    assert header.count("twice_of(T x)") == header.count("int deep(int x)") == 1
    assert header.index("int deep") < header.index("twice_of")
    assert "#include <metal_stdlib>" in header


def test_line_marks_lead_back(tree):
    """Every line of header and body, followed through its #line marks, is a line of the file it names."""
    files = {
        path.relative_to(tree).as_posix(): path.read_text().splitlines()
        for path in tree.rglob("*.[mh]*")
        if path.is_file()
    }
    kernel = read(tree)
    for text in (kernel.header, kernel.body):
        file, number, seen = None, 0, 0
        for line in text.splitlines():
            if line.startswith("#line"):
                _, mark, file = line.split(maxsplit=2)
                file, number = file.strip('"'), int(mark)
                continue
            if line.strip() and file:
                assert line.strip() in files[file][number - 1]
                seen += 1
            number += 1
        assert seen >= 2


def test_the_name_follows_the_text(tree):
    before = read(tree).unique_name
    (tree / "shaders" / "common" / "deep.h").write_text("int deep(int y);\n")
    assert read(tree).unique_name != before and before.startswith("twice_")


ERRORS = [
    ("[[kernel]] ", "", r"twice.metal:1: expected one \[\[kernel\]\] void function but found 0"),
    ("  if (x_shape[0]) {", "  if (x_shape[0]) {{", "this { is never closed"),
    ("#include <metal_stdlib>", '#include "gone.h"', r"twice.metal:2: there is no file gone.h"),
    ("// kept", "// kepé", r"twice.metal:13: expected ASCII outside of comments but got 'é'"),
    (
        "using namespace metal;",
        "#pragma METAL fp math_mode(fast)",
        r"twice.metal:4: expected the math mode safe, .* got 'fast'",
    ),
    ("using namespace metal;", " # pragma METAL fp math_mode( relaxed )", r"twice.metal:4: .* but got 'relaxed'"),
    ("}\n}\n", "}\n}\nvoid more();\n", "the kernel must be the last thing in its file"),
]


@pytest.mark.parametrize("old, new, message", ERRORS)
def test_errors_name_the_line(tree, old, new, message):
    text = KERNEL.replace(old, new, 1) if old != "}\n}\n" else KERNEL + "void more();\n"
    (tree / "shaders" / "op" / "twice.metal").write_text(text)
    with pytest.raises(loader.ManifestError, match=message):
        read(tree)


def test_any_letter_in_comments_and_the_math_mode_that_holds(tree):
    path = tree / "shaders" / "op" / "twice.metal"
    path.write_text(KERNEL.replace("Twice x", "Größer als é").replace("in here", "hière"))
    assert read(tree).body.isascii()
    path.write_text(KERNEL.replace("using namespace metal;", "#pragma METAL fp math_mode(safe)"))
    assert "math_mode(safe)" in read(tree).header


def test_a_path_that_is_not_ascii(tree):
    path = tree / "shaders" / "op" / "twicé.metal"
    path.write_text(KERNEL)
    with pytest.raises(loader.ManifestError, match="twicé.metal:1: expected a path in ASCII"):
        source.read(path, tree)


BYTES = [
    ("a = 'ß'".encode(), r"twice.h:2: expected ASCII outside of comments but got 'ß'"),
    (b"\xff", r"twice.h:2: expected UTF-8 but got the byte 0xff"),
    (b"a\0b", r"twice.h:2: expected text but got the character '\\x00'"),
    (b"\x1b", r"twice.h:2: expected text but got the character '\\x1b'"),
    (b"/* for ever", r"twice.h:2: this comment is never closed"),
    (b'#include "/etc/hostname"', r"twice.h:2: /etc/hostname lies outside of the manifest's folder"),
    (b'#include "../../../x.h"', r"twice.h:2: ../../../x.h lies outside of the manifest's folder"),
    (b'#include "round/a.h"', r"twice.h:2: there is no file round/a.h"),
    (b'#include "pipe.h"', r"pipe.h:1: expected a regular file"),
    (b'#include "folder"', r"folder:1: expected a regular file"),
    (b'#include "' + b"x" * 5000 + b'"', r"twice.h:2: there is no file xxx"),
]


@pytest.mark.parametrize("line, message", BYTES, ids=[case[0][:20] for case in BYTES])
def test_what_no_header_may_hold(tree, line, message):
    common = tree / "shaders" / "common"
    (common / "round").symlink_to("round")
    (common / "folder").mkdir()
    os.mkfifo(common / "pipe.h")
    (common / "twice.h").write_bytes(b"#pragma once\n" + line + b"\n")
    with pytest.raises(loader.ManifestError, match=message):
        read(tree)


def test_headers_that_include_each_other_without_end(tree):
    common = tree / "shaders" / "common"
    for i in range(80):
        (common / f"h{i}.h").write_text(f'#include "h{i + 1}.h"\n')
    (common / "deep.h").write_text('#include "h0.h"\n')
    with pytest.raises(loader.ManifestError, match=r"h61.h:1: files include each other more than 64 deep"):
        read(tree)


def test_a_file_of_another_system(tree):
    """A byte order mark and two characters at the end of each line."""
    want, path = read(tree), tree / "shaders" / "op" / "twice.metal"
    path.write_bytes(b"\xef\xbb\xbf" + KERNEL.replace("\n", "\r\n").encode())
    assert read(tree) == want


LONG = TEXTS | {
    "templates": lambda n: "template <typename T>\n" * (n // 21),
    "words": lambda n: "a " * n,
    "greater": lambda n: "> " * n,
    "brackets": lambda n: "[[kernel " * (n // 9),
}


@pytest.mark.parametrize("place", ["// Twice x.", "const device T* x", "/* y_ndim", "int N = 2", "[[kernel]]"])
@pytest.mark.parametrize("what", LONG)
def test_time_is_linear_in_the_text(tree, what, place):
    def kernel(n):
        (tree / "shaders" / "op" / "twice.metal").write_text(KERNEL.replace(place, LONG[what](n) + place))
        try:
            return read(tree)
        except loader.ManifestError:
            return None

    assert_linear(kernel, 200_000)
    if (found := kernel(200_000)) and what in ("blanks", "lines"):
        assert [p.name for p in found.parameters][0] == "x"


def test_a_comment_of_ten_megabytes(tree):
    def kernel(n):
        (tree / "shaders" / "op" / "twice.metal").write_text("/*" + "so much to say\n" * n + "*/\n" + KERNEL)
        return read(tree)

    assert_linear(kernel, 700_000)
    assert kernel(700_000).name == "twice"
