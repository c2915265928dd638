"""Validation by the log of accesses: what threads do to each other's elements, named by array, index and line."""

import mlx.core as mx
import pytest

import loader
from loader.portable.opencl import registers, scalars, trace

pytestmark = pytest.mark.skipif(loader.backend() != "opencl", reason="validation is the opencl engine's")

LOST, RACE = "one update is lost", "no threadgroup_barrier(mem_flags::mem_threadgroup) in between"
LANE = "uint i = thread_position_in_grid.x;\nuint l = thread_position_in_threadgroup.x;\n"
PARTS = """threadgroup float part[8];
float s = simd_sum(x[i]);
if (thread_index_in_simdgroup == 0) part[simdgroup_index_in_threadgroup] = s;
"""


def run(body, threads=64, groups=2, size=128, header="", **call):
    kernel = loader.metal_kernel("tried", ["x"], ["y"], LANE + body, header=header, validate=True)
    return kernel(
        inputs=[mx.ones((threads * groups,))],
        output_shapes=[(size,)],
        output_dtypes=[mx.float32],
        grid=(threads * groups, 1, 1),
        threadgroup=(threads, 1, 1),
        **call,
    )[0]


# Body, what is said of it, how it is launched.
WRONG = {
    "a plain sum": ("y[0] += x[i];", f"y[0] in line 3: two threads write it from what they read, and {LOST}", {}),
    "a sum by lane 0": ("float s = simd_sum(x[i]);\nif (i % 32 == 0) y[1] += s;", "y[1] in line 4", {}),
    "a maximum": ("if (x[i] > y[0]) y[0] = x[i];", LOST, {}),
    "with no space around the name": ("if(x[i]>y[0])y[0]=x[i];", LOST, {}),
    "a shared flag": ("threadgroup bool go;\nif (l == 0) go = x[0] > 0;\nif (go) y[i] = x[i];", "go is read", {}),
    "a counter": ("float at = y[0];\ny[0] = at + 1;", LOST, {}),
    "by a pointer": ("device float* p = y + 2;\np[1] += x[i];", "y[3] in line 4", {}),
    "a histogram": (
        "threadgroup uint h[4];\nif (l < 4) h[l] = 0;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "h[l % 4] += 1;\n"
        "threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = h[l % 4];",
        "in line 6: two threads write it",
        dict(init_value=None),
    ),
    "a counter of a threadgroup": (
        "threadgroup uint c;\nif (l == 0) c = 0;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "if (x[i] > 0) c++;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = c;",
        "c in line 6: two threads write it",
        {"init_value": None},
    ),
    "mem_none": (
        PARTS + "threadgroup_barrier(mem_flags::mem_none);\ny[i] = part[0] + part[1];",
        RACE,
        {"init_value": None},
    ),
    "past the end": ("threadgroup float s[32];\ns[l] = 1;\ny[i] = 1;", "s[32] in line 4, but s has 32 elements", {}),
    "half of an array": (
        "threadgroup float s[64];\nif (l < 32) s[l] = x[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "y[i] = s[63 - l];",
        "s[63] in line 6: it is read, and no thread has written it",
        {"init_value": None},
    ),
    "rows with a gap": (
        "threadgroup float4 s[2][65];\ns[0][l].x = 1;\ns[1][l + 1] = 2;\n"
        "threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = s[0][63 - l].x + s[1][63 - l].x;",
        "s[0] in line 7: it is read, and no thread has written it",
        {"init_value": None},
    ),
    "one simdgroup of two": (
        "float s = simd_sum(x[i]);\nif (l == 0) y[i / 64] = s;",
        "one simdgroup alone writes",
        {"size": 2},
    ),
    "a partial simdgroup": (
        PARTS + "threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "float t = 0;\nfor (uint k = 0; k < threads_per_threadgroup.x / 32; ++k) t += part[k];\n"
        "if (l == 0) y[i / 48] = t;",
        "part[1] in line 5: nobody reads what the last simdgroup writes",
        dict(threads=48, size=2),
    ),
}
RIGHT = {
    "an element a thread": ("y[i] = 0;\ny[i] += x[i];", {}),
    "one thread": ("if (i == 0) {\n  y[0] = 0;\n  for (uint k = 0; k < 128; ++k) y[0] += x[k];\n}", {"size": 1}),
    "in turns": (
        "threadgroup float s[1];\nif (l == 0) s[0] = 1;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "if (l == 1) s[0] += 1;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = s[0];",
        {},
    ),
    "scalars of a threadgroup": (
        "threadgroup float s, t;\nthreadgroup float* p = &t;\nif (l == 0) {\n  s = x[i];\n  *p = 2;\n}\n"
        "threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = s * t;",
        {},
    ),
    "a name of two scalars": (
        "threadgroup float s;\nif (l == 0) s = x[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "y[i] = s;\nfor (uint s = 0; s < 2; ++s) y[i] += s;",
        {},
    ),
    "the same value": ("y[i] = 1;\ny[0] = 1;", {}),
    "a tree": (
        "threadgroup float s[64];\ns[l] = x[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
        "for (uint k = 32; k > 0; k >>= 1) {\n  if (l < k) s[l] += s[l + k];\n"
        "  threadgroup_barrier(mem_flags::mem_threadgroup);\n}\nif (l == 0) y[i / 64] = s[0];",
        {"size": 2},
    ),
    "written by other ways": (
        "threadgroup float s[64], r[2][64], q[64];\nthreadgroup float* p = s + l;\n*p = 1;\n"
        "threadgroup float* row = r[1];\nrow[l] = 2;\nfor (uint k = l; k < 64; k += 64) q[k] = 3;\n"
        "threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = s[63 - l] + r[1][63 - l] + q[63 - l];",
        {},
    ),
    "two simdgroups": (
        PARTS + "threadgroup_barrier(mem_flags::mem_threadgroup);\nif (l == 0) y[i / 64] = part[0] + part[1];",
        {"size": 2},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_kernel(case):
    body, said, call = WRONG[case]
    with pytest.raises(loader.ValidationError) as caught:
        run(
            body,
            **({} if "size" in call or "init_value" in call or "line 4, but" in said else {"init_value": 0}) | call,
        )
    assert said in "\n".join(caught.value.findings)


HELPERS = """
inline void put(threadgroup float* s, uint l, float v) {
  s[l] = v;
}
inline float get(threadgroup float* s, uint l) {
  return s[l];
}
inline void add(device float* sum, float v) {
  sum[1] += v;
}
"""
SHARED = "threadgroup float s[64];\nput(s, l, x[i]);\n{}\ny[i] = get(s, 63 - l);"
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"


def test_helpers_of_the_header_are_looked_at_too():
    assert mx.array_equal(run(SHARED.format(BARRIER), header=HELPERS), mx.ones((128,)))
    with pytest.raises(loader.ValidationError, match=r"s\[\d+\] in line 6 of the header: a thread reads what another"):
        run(SHARED.format(""), header=HELPERS)
    with pytest.raises(loader.ValidationError, match=rf"y\[1\] in line 9 of the header: two threads write .* {LOST}"):
        run("add(y, x[i]);", header=HELPERS, init_value=0)


def test_a_row_that_a_helper_gets_is_no_access():
    rows = "threadgroup float s[2][64];\nput(s[0], l, x[i]);\n" + BARRIER + "\ny[i] = get(s[0], 63 - l);"
    assert mx.array_equal(run(rows, header=HELPERS), mx.ones((128,)))


def test_a_header_that_cannot_be_logged_leaves_the_body():
    header = "struct Twice {\n  int at;\n  float operator[](int i) const {\n    return 2.0f * i + at;\n  }\n};\n"
    header += "constexpr constant int SIZES[2] = {1, 2};\nconstexpr constant int SECOND = SIZES[1];\n"
    with pytest.raises(loader.ValidationError, match=r"y\[0\] in line 3: two threads write it"):
        run("y[0] += x[i] * SECOND;", header=header, init_value=0)


def test_what_is_not_told_apart_is_said_to_be_either():
    with pytest.raises(loader.ValidationError, match=r"a barrier is missing, or several threads write the element"):
        run("threadgroup float s[64];\nthreadgroup float* p = s + l;\n*p = x[i] + l;\n"
            "threadgroup float* q = s + 63 - l;\ny[i] = *q;")  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_kernel(case):
    body, call = RIGHT[case]
    run(body, **call)


def test_a_scalar_is_an_array_of_one_element():
    source, names = scalars.as_arrays("threadgroup int a, b; threadgroup float c; a = b + p.a; float c = 1; f(&b);")
    assert names == ["a", "b"]
    assert source == "threadgroup int a[1], b[1]; threadgroup float c; a[0] = b[0] + p.a; float c = 1; f(&b[0]);"


def test_what_is_logged():
    body, sites = trace.instrument(
        "threadgroup float s[2][8]; float v[4]; s[i][j] = v[0]; y[i] += 1; f(&y[2]); "
        "if (x[i] > y[3] && a & y[4]) ++y[5];"
    )
    assert [site.name for site in sites] == ["s", "v", "y", "x", "y", "y", "y"]
    assert [site.subscripts for site in sites[:3]] == [2, 1, 1]
    assert "threadgroup float s[2][8]; float v[4]; s[i][metal::touched(s[i], j, 0u, 2u, 0)] = v[" in body
    assert "f(&y[2])" in body
    assert "+= 1" in body and "y[metal::touched(y, i, 2u, 3u, 0)] += 1" in body


@pytest.mark.parametrize(("threads", "size", "count"), [(1024, "N", 1), (512, "N", 0), (1024, "8", 0)])
def test_too_many_threads_for_the_arrays_of_a_kernel(threads, size, count):
    body = f"float q[{size}];\nfloat4 o[16]; // float more[999];"
    assert len(registers.findings(body, [("N", 64)], threads)) == count
