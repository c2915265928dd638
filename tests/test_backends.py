"""The choice of an engine, its compiled programs, and machines without one."""

import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

import loader
from loader.portable import kernel, metal, signature
from loader.portable.opencl import counts, guard
from loader.portable.opencl.dispatch import Dispatch

ROOT = Path(__file__).parent.parent
opencl = pytest.mark.skipif(loader.backend() != "opencl", reason="the engine in use is not opencl")
kernels = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about machines without Metal")

# Makes Python believe that Intel's runtime is not installed.
HIDE = """
import sys
from importlib import metadata
sys.prefix = "/nowhere"
find = metadata.files
def files(name):
    if name == "intel-opencl-rt":
        raise metadata.PackageNotFoundError(name)
    return find(name)
metadata.files = files
"""
RUN = """
import mlx.core as mx, loader
op = loader.get("rglru")
a, b = mx.full((2, 9, 4), 0.5), mx.ones((2, 9, 4))
y = op(a, b)
grad = mx.grad(lambda a: op(a, b).sum())(a)
print(loader.backend(), round(y[0, -1, 0].item(), 6), round(grad.sum().item(), 3))
"""


def python(code, **environment):
    """Run code in a new process: (what it printed, what it warned or raised)."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if k != "LOADER_BACKEND"}, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.stdout.strip(), done.stderr.strip()


def test_reference_gives_the_same_numbers():
    here, _ = python(RUN)
    there, errors = python(RUN, LOADER_BACKEND="reference")
    assert there.split()[0] == "reference" and here.split()[1:] == there.split()[1:]
    assert errors == ""


@linux
@pytest.mark.skipif(mx.cuda.is_available(), reason="about machines without a GPU")
def test_without_a_runtime_one_warning_and_the_reference():
    printed, errors = python(HIDE + RUN)
    assert printed.split() == ["reference", "1.996094", *python(RUN)[0].split()[2:]]
    assert errors.count("RuntimeWarning") == 1
    assert "no engine can run kernels here" in errors and "pip install intel-opencl-rt intel-cmplr-lib-rt" in errors


@linux
def test_impossible_choices_say_what_to_do():
    _, errors = python("import loader", LOADER_BACKEND="metal")
    assert "BackendError: [loader] the backend 'metal' cannot run here: it needs an Apple GPU" in errors
    assert "LOADER_BACKEND=opencl" in errors
    if not mx.cuda.is_available():
        _, errors = python("import loader", LOADER_BACKEND="cuda")
        assert "BackendError: [loader] the backend 'cuda' cannot run here: it needs an NVIDIA GPU" in errors
    _, errors = python("import loader", LOADER_BACKEND="vulkan")
    assert "expected LOADER_BACKEND to be one of metal, cuda, opencl, reference but got 'vulkan'" in errors
    _, errors = python(HIDE + "import loader", LOADER_BACKEND="opencl")
    assert "Intel's OpenCL runtime is not installed; run: pip install" in errors


def test_an_mlx_with_wrong_gradients_is_refused():
    code = "import mlx.core; mlx.core.__version__ = '{}'; import loader; print(loader.backend())"
    for version in ("0.32.3", "0.32.1.dev20260101+abc", "0.9.12", "0.32"):
        _, errors = python(code.format(version))
        assert f"ImportError: [loader] expected MLX 0.32.4 or later but got {version}; run: pip" in errors
    for version in ("0.32.4", "0.32.10", "0.33.0.dev1", "1.0"):
        assert python(code.format(version))[0]


def test_metal_kernels_are_built_everywhere():
    for name in loader.names():
        assert loader.get(name, backend="metal").engine.NAME == "metal"


def test_every_op_asks_metal_for_the_math_mode_in_which_nan_holds(monkeypatch):
    asked = []
    monkeypatch.setattr(mx.fast, "metal_kernel", lambda **made: asked.append(made["compile_options"]))
    for op in map(loader.get, loader.names()):
        loader.Op(op.spec, metal)
    assert len(asked) > 20 and all(options == {"math_mode": "safe"} for options in asked)


def test_metal_gets_ascii_from_loader_metal_kernel(monkeypatch):
    """A comment may say what it likes on every engine."""
    made = []
    monkeypatch.setattr(mx.fast, "metal_kernel", lambda *arguments, **options: made.append((arguments, options)))
    kernel.make(metal, "one", [], ["y"], "y[0] = 1; // é\n", header="// ü\n")
    (((_, _, _, text), options),) = made
    assert (text, options["header"]) == ("y[0] = 1; // ?\n", "// ?\n")


@opencl
def test_new_lengths_and_batches_compile_nothing():
    op = loader.get("rglru")

    def run(batch, length):
        a, b = mx.random.uniform(shape=(batch, length, 48)), mx.random.normal((batch, length, 48))
        mx.eval(mx.grad(lambda a, b: op(a, b).sum(), argnums=(0, 1))(a, b))

    run(2, 64)
    before = counts.compiled + counts.loaded
    for i in range(10):
        run(1 + i, 10 + 37 * i)
    assert counts.compiled + counts.loaded == before


@opencl
def test_a_second_process_compiles_nothing(tmp_path):
    code = RUN + "from loader.portable.opencl import counts\nprint(counts.compiled, counts.loaded)"
    first, _ = python(code, LOADER_CACHE=str(tmp_path))
    second, _ = python(code, LOADER_CACHE=str(tmp_path))
    assert first.splitlines()[1] == "2 0" and second.splitlines()[1] == "0 2"
    assert first.splitlines()[0] == second.splitlines()[0]


@opencl
@pytest.mark.full("it starts seven processes")
def test_a_damaged_or_read_only_cache_only_costs_time(tmp_path):
    code = RUN + "from loader.portable.opencl import counts\nprint(counts.compiled, counts.loaded)"
    want, _ = python(code, LOADER_CACHE=str(tmp_path))
    for path in (tmp_path / "metal-recurrence" / "opencl").iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    assert python(code, LOADER_CACHE=str(tmp_path))[0] == want
    (tmp_path / "file").write_text("")
    assert python(code, LOADER_CACHE=str(tmp_path / "file" / "below"))[0] == want


@opencl
def test_a_forked_child_raises_and_does_not_hang():
    code = RUN + textwrap.dedent("""
        import os, sys
        child = os.fork()
        if child == 0:
            try:
                op(a, b)
            except loader.BackendError as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(loader.backend(), op(a, b).shape)
    """)
    printed, _ = python(code)
    assert "this process was forked after its parent ran a kernel" in printed
    assert printed.splitlines()[-1] == "opencl (2, 9, 4)"


IDS = """
    uint3 at = thread_position_in_grid;
    uint i = (at.z * threads_per_grid.y + at.y) * threads_per_grid.x + at.x;
    uint3 g = threadgroup_position_in_grid, t = thread_position_in_threadgroup, n = threads_per_threadgroup;
    uint values[12] = {at.x, at.y, at.z, g.x, g.y, g.z, t.x, t.y, t.z, thread_index_in_threadgroup,
                       thread_index_in_simdgroup, simdgroup_index_in_threadgroup};
    for (uint k = 0; k < 12; ++k) ids[i * 13 + k] = values[k];
    ids[i * 13 + 12] = n.x * n.y * n.z;
"""


@kernels
@pytest.mark.parametrize(
    "grid, threads",
    [
        ((64, 1, 1), (64, 1, 1)),
        ((70, 1, 1), (32, 1, 1)),
        ((16, 16, 2), (8, 8, 1)),
        ((17, 9, 3), (8, 4, 2)),
        ((64, 4, 4), (64, 2, 2)),
        ((96, 5, 1), (96, 2, 1)),
        ((5, 3, 2), (5, 3, 2)),
        ((3, 2, 1), (32, 32, 1)),
        ((48, 2, 2), (16, 2, 1)),
        ((1, 1, 1), (1, 1, 1)),
        ((1024, 1, 1), (1024, 1, 1)),
    ],
)
def test_ids_of_any_threadgroup(grid, threads):
    """Every id of every thread, partial groups included, against Metal's definitions."""
    kernel = loader.metal_kernel("ids", [], ["ids"], IDS)
    total = int(np.prod(grid))
    (ids,) = kernel(
        inputs=[], output_shapes=[(total, 13)], output_dtypes=[mx.uint32], grid=grid, threadgroup=threads, init_value=0
    )
    z, y, x = np.unravel_index(np.arange(total), grid[::-1])
    at = np.stack([x, y, z], axis=1)
    nominal = np.minimum(threads, grid)
    group, local = at // nominal, at % nominal
    size = np.minimum(nominal, np.array(grid) - group * nominal)
    index = (local[:, 2] * size[:, 1] + local[:, 1]) * size[:, 0] + local[:, 0]
    want = np.column_stack([at, group, local, index, index % 32, index // 32, size.prod(axis=1)])
    np.testing.assert_array_equal(np.array(ids), want)


DTYPES = [mx.bool_, mx.int8, mx.int16, mx.int32, mx.int64, mx.uint8, mx.uint16, mx.uint32, mx.uint64]
DTYPES += [mx.float16, mx.bfloat16, mx.float32, mx.complex64]


@kernels
@pytest.mark.parametrize("validate", [False, pytest.param(True, marks=opencl)])
def test_init_value_fills_every_dtype(validate):
    """As MLX does it: a float32, converted to the dtype of the output."""
    names = [f"y{i}" for i in range(len(DTYPES))]
    kernel = loader.metal_kernel("filled", [], names, "y0[0] = y0[0];", validate=validate)

    def filled(value, shape):
        shapes, one = [shape] * len(names), (1, 1, 1)
        return kernel(
            inputs=[], output_shapes=shapes, output_dtypes=DTYPES, grid=one, threadgroup=one, init_value=value
        )

    for value in (0.0, 1, True, 2.5, -0.0, 1e-3, float("nan"), mx.array(3.0), mx.array([7])):
        for dtype, y in zip(DTYPES, filled(value, (3, 5))):
            assert y.dtype == dtype and y.shape == (3, 5)
            if value == value or mx.issubdtype(dtype, mx.inexact):
                want = mx.array(np.full((3, 5), float(value), np.float32)).astype(dtype)
                assert mx.array_equal(y, want, equal_nan=True), (value, dtype)
    assert [y.item() for y in filled(1.0, ())] == [1] * len(names)


@kernels
def test_init_value_fills_a_large_output():
    kernel = loader.metal_kernel("filled", [], ["y"], "y[0] = y[0];")
    for value in (0.0, 7):
        (y,) = kernel(
            inputs=[],
            output_shapes=[(2048, 2048)],
            output_dtypes=[mx.int64],
            grid=(1, 1, 1),
            threadgroup=(1, 1, 1),
            init_value=value,
        )
        assert y.dtype == mx.int64 and (y == value).all().item()


@opencl
def test_grids_up_to_what_an_int_holds():
    largest = 2**31 - 1
    whole, last = Dispatch((largest, 1, 1), (1024, 1, 1)).boxes
    assert whole == ((0, 0, 0), (2**21 - 1, 1, 1), (1024, 1, 1))
    assert last == ((2**21 - 1, 0, 0), (1, 1, 1), (1023, 1, 1))
    groups = signature.VECTORS["threadgroups_per_grid"].format("x").replace("/", "//")
    assert eval(groups, {"_sizex": np.int32(largest), "_nx": np.int32(1024)}) == 2**21
    for grid in ((largest + 1, 1, 1), (1, 2**32 + 2, 1), (1, 1, 2**70)):
        with pytest.raises(ValueError, match="2147483647 threads an axis"):
            Dispatch(grid, (1, 1, 1))


WILD = {
    "a read before a reversed view": ("y[i] = a[elem_to_loc(i, a_shape, a_strides, a_ndim)];", "read"),
    "a read past the end": ("y[i] = a[i + 5000000000ul];", "read"),
    "a write past the end": ("y[i + 5000000000ul] = 1;", "write"),
    "a million reads": ("for (uint k = 0; k < 1000; ++k) y[i] += a[(i * 1000 + k) * 2ul + 5000000000ul];", "read"),
}


@opencl
@pytest.mark.parametrize("source, did", WILD.values(), ids=WILD)
def test_an_access_to_no_memory_raises_and_the_process_lives(source, did):
    call = dict(output_shapes=[(1024,)], output_dtypes=[mx.float32], grid=(1024, 1, 1), threadgroup=(64, 1, 1))
    view = mx.arange(1024, dtype=mx.float32)[::-1]

    def kernel(source):
        source = "uint i = thread_position_in_grid.x;\n" + source
        return loader.metal_kernel("wild", ["a"], ["y"], source, ensure_row_contiguous=False)

    for _ in range(2):
        with pytest.raises(loader.ValidationError, match=rf"\[wild\](.|\n)*a {did} far outside of every argument"):
            kernel(source)(inputs=[view], **call)
        right = kernel("y[i] = a[elem_to_loc(int(i), a_shape, a_strides, a_ndim)];")
        assert mx.array_equal(right(inputs=[view], **call)[0], view)


@opencl
def test_two_threads_that_miss_one_page_both_go_on(monkeypatch):
    net, mapped, let_crash = guard.Net(), [], []
    net.spread = True

    def map_once(page):
        mapped.append(page)
        time.sleep(0.1)
        return len(mapped) == 1

    monkeypatch.setattr(net, "_map", map_once)
    monkeypatch.setattr(guard, "_fault", lambda information, context: (5 * 2**40, False))
    monkeypatch.setattr(guard._libc, "sigaction", lambda *arguments: let_crash.append(arguments))
    threads = [threading.Thread(target=net._catch, args=(11, 0, 0)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mapped) == 1 and not let_crash


@opencl
def test_a_compile_error_names_the_kernel_and_the_line():
    kernel = loader.metal_kernel("wrong", [], ["y"], "\n  y[0] = 1;\n  y[1] = nothing;\n")
    with pytest.raises(loader.CompileError, match=r"\[wrong\] does not compile(.|\n)*wrong:3:\d+: error: .*'nothing'"):
        kernel(inputs=[], output_shapes=[(2,)], output_dtypes=[mx.float32], grid=(1, 1, 1), threadgroup=(1, 1, 1))


def test_print_shows_the_op(op):
    text = str(op)
    assert all(array.name in text for array in (*op.spec.inputs, *op.spec.outputs))
    assert re.search(rf"shaders/{op.spec.name}/\w+\.metal", text) and loader.backend() in text
    assert op.__doc__ == text and op.__name__ == op.spec.name
