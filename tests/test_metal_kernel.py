"""loader.metal_kernel as a caller meets it: bad calls, transformations, limits, threads, processes, the cache."""

import copy
import os
import pickle
import re
import resource
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

import loader
from loader.portable.opencl import counts

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="there is no engine to run kernels")
opencl = pytest.mark.skipif(loader.backend() != "opencl", reason="about the opencl engine")

ADD = "uint i = thread_position_in_grid.x; y[i] = a[i] + b[i];"


@pytest.fixture(scope="module")
def add():
    return loader.metal_kernel("add", ["a", "b"], ["y"], ADD)


def call(kernel, *inputs, **changes):
    size = 64
    arguments = dict(
        inputs=list(inputs),
        output_shapes=[(size,)],
        output_dtypes=[mx.float32],
        grid=(size, 1, 1),
        threadgroup=(32, 1, 1),
    )
    return kernel(**{**arguments, **changes})


A, B = mx.arange(64, dtype=mx.float32), mx.ones((64,))
with mx.stream(mx.cpu):
    FLOAT64 = mx.zeros((64,), mx.float64)

MAKING = [
    (dict(name="no name"), ValueError, "expected name to hold identifiers but got 'no name'"),
    (dict(name=""), ValueError, "expected name to hold identifiers but got ''"),
    (dict(input_names=["a", "1b"]), ValueError, "expected input_names to hold identifiers but got '1b'"),
    (dict(input_names=["a", None]), ValueError, "expected input_names to hold identifiers but got None"),
    (dict(input_names=["a", "a"]), ValueError, "expected input_names to be distinct but 'a' is there twice"),
    (dict(output_names=["y", "y"]), ValueError, "expected output_names to be distinct but 'y' is there twice"),
    (dict(output_names=["a"]), ValueError, "expected input_names and output_names to be distinct but 'a'"),
    (dict(output_names=[]), ValueError, "expected at least one output"),
    (dict(output_names=["y-1"]), ValueError, "expected output_names to hold identifiers but got 'y-1'"),
    (dict(name="a\0b"), ValueError, "expected name to hold identifiers but got 'a\\x00b'"),
    (dict(input_names="ab"), TypeError, "expected input_names to be a list of names but got 'ab'"),
    (dict(source="y[0] = 1;\n\0y[1] = 2;"), ValueError, "expected source to be text but it holds '\\x00', in line 2"),
    (dict(header="\0"), ValueError, "expected header to be text but it holds '\\x00', in line 1"),
    (dict(source='// é\nconst char* s = "// é";'), ValueError, "expected source to be ASCII outside of comments"),
    (dict(source='// é\nconst char* s = "// é";'), ValueError, "it holds 'é', in line 2"),
    (dict(header="int ö;"), ValueError, "expected header to be ASCII outside of comments"),
    (dict(source="\ud800"), ValueError, "expected source to be text but it holds '\\ud800', in line 1"),
    (dict(source=None), TypeError, "expected source to be a string but got NoneType"),
    (dict(header=b"int x;"), TypeError, "expected header to be a string but got bytes"),
]

CALLING = [
    (dict(inputs=[A]), ValueError, "[add] expected 2 inputs (a, b) but got 1."),
    (dict(inputs=[A, B, B]), ValueError, "[add] expected 2 inputs (a, b) but got 3."),
    (dict(inputs=A), ValueError, "expected 2 inputs (a, b) but got one array"),
    (dict(inputs=[A, None]), TypeError, "expected b to be an array or a number but got NoneType"),
    (dict(inputs=[A, "1"]), TypeError, "expected b to be an array or a number but got str"),
    (dict(inputs=[A, np.ones(64)]), TypeError, "expected b to be an array or a number but got ndarray"),
    (dict(inputs=None), ValueError, "expected 2 inputs (a, b) but got NoneType"),
    (dict(inputs=[A, 10**400]), ValueError, "expected b to be a number that an array can hold"),
    (
        dict(inputs=[A, FLOAT64]),
        TypeError,
        "expected the dtype of b to be one that kernels know but got mlx.core.float64",
    ),
    (dict(output_dtypes=[mx.float64]), TypeError, "expected the dtype of y to be one that kernels know but got"),
    (dict(output_shapes=[8]), TypeError, "expected the shape of y to be a tuple of sizes but got 8"),
    (dict(output_shapes=8), ValueError, "expected 1 output_shapes (y) but got int"),
    (dict(output_shapes=[(True,)]), ValueError, "expected sizes of y that are not negative but got (True,)"),
    (dict(output_shapes=[(2**31,)]), ValueError, "expected sizes of y up to 2147483647 but got (2147483648,)"),
    (
        dict(grid=(2**32 + 2, 1, 1)),
        ValueError,
        "expected sizes of grid up to 2147483647, all that MLX counts, but got (4294",
    ),
    (dict(grid=(1, 2**70, 1)), ValueError, "expected sizes of grid up to 2147483647"),
    (dict(grid=(1, 1, 2**31)), ValueError, "expected sizes of grid up to 2147483647"),
    (dict(grid=64), ValueError, "expected grid to be three positive sizes but got 64"),
    (dict(grid="641"), ValueError, "expected grid to be three positive sizes but got 641"),
    (dict(grid=(True, 1, 1)), ValueError, "expected grid to be three positive sizes but got (True, 1, 1)"),
    (dict(threadgroup=(2**32 + 2, 1, 1)), ValueError, "expected sizes of threadgroup up to 2147483647"),
    (dict(stream="x"), TypeError, "expected stream to be an mx.Stream or a device such as mx.cpu but got 'x'"),
    (dict(init_value="0"), TypeError, "expected init_value to be a number or None but got '0'"),
    (dict(init_value=10**5000), TypeError, "expected init_value to be a number or None but got an integer of"),
    (dict(template="T"), TypeError, "expected template to be a list of pairs, a name and a value, but got 'T'"),
    (dict(template={"N": 3}), TypeError, "but got {'N': 3}; pass list(template.items())"),
    (dict(template=["N"]), TypeError, "expected template to be a list of pairs, a name and a value, but got ['N']"),
    (dict(template=[("N", 2**31)]), ValueError, "template argument N to fit an int of 32 bits but got 2147483648"),
    (
        dict(template=[("N", -(2**31) - 1)]),
        ValueError,
        "to fit an int of 32 bits but got -2147483649; pass it as an input",
    ),
    (dict(template=[("N", 10**5000)]), ValueError, "to fit an int of 32 bits but got an integer of"),
    (dict(template=[("T", mx.float64)]), TypeError, "expected the template argument T to be one that kernels know"),
    (dict(output_shapes=[]), ValueError, "expected 1 output_shapes (y) but got 0"),
    (dict(output_shapes=[(64,), (64,)]), ValueError, "expected 1 output_shapes (y) but got 2"),
    (dict(output_shapes=[(-64,)]), ValueError, "expected sizes of y that are not negative but got (-64,)"),
    (dict(output_shapes=[(6.4,)]), ValueError, "expected sizes of y that are not negative but got (6.4,)"),
    (dict(output_dtypes=[]), ValueError, "expected 1 output_dtypes (y) but got 0"),
    (dict(output_dtypes=["float32"]), TypeError, "expected the dtype of y to be one of mx's but got 'float32'"),
    (dict(grid=(0, 1, 1)), ValueError, "expected grid to be three positive sizes but got (0, 1, 1)"),
    (dict(grid=(64, -1, 1)), ValueError, "expected grid to be three positive sizes but got (64, -1, 1)"),
    (dict(grid=(64,)), ValueError, "expected grid to be three positive sizes but got (64,)"),
    (dict(grid=(64.0, 1, 1)), ValueError, "expected grid to be three positive sizes"),
    (dict(threadgroup=(0, 1, 1)), ValueError, "expected threadgroup to be three positive sizes"),
    (dict(threadgroup=(32, 32, 2)), ValueError, "expected at most 1024 threads in a threadgroup but got 2048"),
    (dict(template=[("N", 1.5)]), TypeError, "expected the template argument N to be a dtype, int or bool but got 1.5"),
    (dict(template=[("N", "3")]), TypeError, "expected the template argument N to be a dtype, int or bool but got '3'"),
    (dict(template=[("N M", 3)]), ValueError, "expected template to hold identifiers but got 'N M'"),
    (dict(template=[("N", 3), ("N", 4)]), ValueError, "expected template to be distinct but 'N' is there twice"),
]


@pytest.mark.parametrize("change, kind, message", MAKING, ids=[str(list(c[0].values())) for c in MAKING])
def test_wrong_kernels(change, kind, message):
    arguments = dict(name="add", input_names=["a", "b"], output_names=["y"], source=ADD)
    with pytest.raises(kind, match=re.escape(message)):
        loader.metal_kernel(**{**arguments, **change})


@pytest.mark.parametrize("change, kind, message", CALLING, ids=[f"{i}-{[*c[0]][0]}" for i, c in enumerate(CALLING)])
def test_wrong_calls(add, change, kind, message):
    launched = counts.launched
    with pytest.raises(kind, match=re.escape(message)):
        call(add, A, B, **change)
    assert counts.launched == launched


def test_a_missing_argument(add):
    with pytest.raises(TypeError, match="inputs"):
        add(output_shapes=[(64,)], output_dtypes=[mx.float32], grid=(64, 1, 1), threadgroup=(32, 1, 1))


def test_numbers_are_inputs():
    kernel = loader.metal_kernel("scale", ["a", "s"], ["y"], "uint i = thread_position_in_grid.x; y[i] = a[i] * s;")
    assert mx.array_equal(call(kernel, A, 3.0)[0], 3 * A)


def test_sizes_of_numpy_and_of_mlx(add):
    """MLX's own documentation writes grid=(np.prod(shape), 1, 1)."""
    want = A + B
    for changes in (
        dict(grid=(np.prod(A.shape), 1, 1)),
        dict(grid=np.array([64, 1, 1])),
        dict(grid=(mx.array(64), 1, 1), threadgroup=(np.uint8(32), np.int64(1), 1)),
        dict(output_shapes=[(np.int64(8), 8)]),
        dict(output_shapes=(tuple(np.array([8, 8])),), output_dtypes=(mx.float32,)),
        dict(grid=[64, 1, 1], threadgroup=[32, 1, 1], output_shapes=[[64]]),
    ):
        assert mx.array_equal(call(add, A, B, **changes)[0].flatten(), want), changes
    kernel = loader.metal_kernel("size", [], ["y"], "y[thread_position_in_grid.x] = N;")
    for n in (np.int64(2**31 - 1), np.int8(-3), -(2**31)):
        assert call(kernel, template=[("N", n)], output_dtypes=[mx.int32])[0][5].item() == n


def test_template_values_that_are_equal_but_not_alike():
    kernel = loader.metal_kernel("size", [], ["y"], "y[thread_position_in_grid.x] = sizeof(N) + N;")
    assert call(kernel, template=[("N", 1)])[0][0].item() == 5
    assert call(kernel, template=[("N", True)])[0][0].item() == 2


def test_copies_and_pickles(add):
    assert copy.copy(add) is copy.deepcopy(add) is add
    header = "inline float twice(float x) { return 2 * x; }\n"
    kernel = loader.metal_kernel(
        "twice", ["a"], ["y"], "y[i_] = twice(a[i_]);", header="#define i_ thread_position_in_grid.x\n" + header
    )
    again = pickle.loads(pickle.dumps(kernel))
    assert again.made_of == kernel.made_of and repr(again) == repr(kernel)


def test_gradients_raise_as_mlx_does(add):
    with pytest.raises(ValueError, match=r"\[Primitive::vjp\] Not implemented for CustomKernel"):
        mx.grad(lambda a: call(add, a, B)[0].sum())(A)
    with pytest.raises(ValueError, match=r"\[Primitive::jvp\] Not implemented for CustomKernel"):
        mx.jvp(lambda a: call(add, a, B)[0], [A], [A])


def test_a_custom_function_around_it_has_its_own_gradient(add):
    wrapped = mx.custom_function(lambda a, b: call(add, a, b)[0])
    wrapped.vjp(lambda primals, cotangent, output: (2 * cotangent, 3 * cotangent))
    gradients = mx.grad(lambda a, b: wrapped(a, b).sum(), argnums=(0, 1))(A, B)
    assert [g[0].item() for g in gradients] == [2, 3]


@opencl
def test_tracing_says_what_to_do(add):
    for transformed in (
        mx.compile(lambda a: call(add, a, B)[0]),
        lambda a: mx.vmap(lambda x: call(add, x, B)[0])(a[None]),
    ):
        with pytest.raises(ValueError, match=r"\[add\] runs at the call on the opencl backend.*call it outside"):
            mx.eval(transformed(A))


@opencl
def test_threadgroup_memory_is_limited():
    source = (
        "threadgroup float s[{0}]; uint i = thread_index_in_threadgroup; for (uint k = i; k < {0}; k += 32) s[k] = k; "
    )
    source += "threadgroup_barrier(mem_flags::mem_threadgroup); y[thread_position_in_grid.x] = s[{0} - 1 - i];"
    call(loader.metal_kernel("fits", [], ["y"], source.format(8192)))
    with pytest.raises(loader.CompileError, match=r"\[large\] expected at most 32768 bytes .* declares 32772"):
        call(loader.metal_kernel("large", [], ["y"], source.format(8193)))


@opencl
def test_errors_show_line_and_caret_and_no_more():
    header = "template <typename T>\nT twice(T x) { return 2 * x; }\n"
    kernel = loader.metal_kernel("wrong", ["a"], ["y"], "\n\n  y[0] = twice(a[0]) + missing;\n", header=header)
    with pytest.raises(loader.CompileError) as caught:
        call(kernel, A)
    lines = str(caught.value).splitlines()
    assert lines[0] == "[wrong] does not compile:"
    assert lines[1].startswith("wrong:3:24: error:") and "'missing'" in lines[1]
    assert "y[0] = twice(a[0]) + missing;" in lines[2] and lines[3].index("^") == lines[2].index("missing")
    assert len(lines) == 4
    kernel = loader.metal_kernel("wrong", ["a"], ["y"], "y[0] = 1;", header="int f() {\n  return nowhere;\n}\n")
    with pytest.raises(loader.CompileError, match=r"header:2:10: error: .*'nowhere'"):
        call(kernel, A)


def test_verbose_prints_the_unit(add, capfd):
    mx.eval(call(add, A, B, verbose=True))
    assert "thread_position_in_grid" in capfd.readouterr().out or loader.backend() == "metal"


def test_threads_at_once(add):
    kernels = [add, loader.metal_kernel("subtract", ["a", "b"], ["y"], ADD.replace("+", "-"))]
    wrong, stream = [], mx.new_thread_local_stream(mx.default_device())

    def work(seed):
        with mx.stream(stream):
            x = mx.random.normal((64,), key=mx.random.key(seed))
            for i in range(625):
                y = call(kernels[i % 2], x, A)[0]
                if not mx.array_equal(y, x - A if i % 2 else x + A).item():
                    wrong.append((seed, i))

    mx.eval(A)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


def test_memory_stays_flat(add):
    """10,000 calls over changing shapes grow the process by less than 5 %."""

    def calls(n):
        for i in range(n):
            size = 64 + i % 512
            x = mx.ones((size,))
            mx.eval(call(add, x, x, output_shapes=[(size,)], grid=(size, 1, 1)))

    calls(2000)
    before = resident()
    calls(10_000)
    assert resident() < 1.05 * before


def resident():
    if sys.platform.startswith("linux"):
        return int(Path("/proc/self/statm").read_text().split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def python(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


MANY = """
    import mlx.core as mx, loader
    for n in range(12):
        kernel = loader.metal_kernel(f"k{n}", ["a"], ["y"], f"y[thread_position_in_grid.x] = a[0] * {n} + a[1];")
        y, = kernel(inputs=[mx.ones((8,))], output_shapes=[(4,)], output_dtypes=[mx.float32],
                    grid=(4, 1, 1), threadgroup=(4, 1, 1))
        assert y.tolist() == [n + 1.0] * 4
    print(loader.portable.opencl.counts.compiled, loader.portable.opencl.counts.loaded)
"""


@opencl
def test_processes_share_one_cache(tmp_path):
    both = [python(MANY, LOADER_CACHE=str(tmp_path)) for _ in range(2)]
    outputs = [process.communicate(timeout=600)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(int(compiled) + int(loaded) == 12 for compiled, loaded in outputs)
    assert len(list((tmp_path / "metal-recurrence" / "opencl").iterdir())) == 12
    third = python(MANY, LOADER_CACHE=str(tmp_path))
    assert third.communicate(timeout=600)[0].split() == ["0", "12"]
