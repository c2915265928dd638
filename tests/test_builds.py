"""Builds of the opencl engine: quick ones first, optimised ones in the background, in parallel, with messages."""

import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from oracle import call, cases, draw, needs_kernels
from oracle import run as run_op

import loader
from loader import CompileError
from loader.portable import opencl
from loader.portable.opencl import builds, cache, program, progress, quick

pytestmark = [needs_kernels, pytest.mark.skipif(loader.backend() != "opencl", reason="other engines leave it to MLX")]
ROOT = Path(__file__).parents[1]
# Twelve unrolled loops, so that the kernel has two builds.
BODY = (
    "float s = 0;\n"
    + 12 * "#pragma unroll\nfor (int i = 0; i < 8; ++i) {{ s = fma(s, 0.5f, a[i] + {0}); }}\n"
    + "y[0] = s;"
)


def kernel(number, name="tried"):
    """A kernel as the ops have them."""
    return opencl.build(name, ["a"], ["y"], BODY.format(f"{number}.0f"), "")


def run(made):
    shape = dict(output_shapes=[(1,)], output_dtypes=[mx.float32], grid=(32, 1, 1), threadgroup=(32, 1, 1))
    return made(inputs=[mx.arange(8).astype(mx.float32)], **shape)[0].item()


# Functions of OpenCL for which Intel's compiler makes a kernel twice, the second time masked.
MASKED = re.compile(rb"_Z\d+(get_sub_group_\w+|sub_group_(?!clustered_rotate|rotate|broadcast_first)[a-z]+)")
# Kernels that vote, and run a fifth faster for being made twice.
VOTING = ("ssd_forward", "ssd_backward")


@pytest.mark.parametrize("name", loader.names())
def test_only_kernels_that_vote_are_made_twice(name):
    op = loader.get(name)
    everything = [array.name for array in op.spec.optional]
    # The sizes at which test_parity.py has these programs.
    (sizes,) = next(sizes for _, present, sizes in cases(op, op.spec.examples) if len(present) == len(everything))
    inputs = draw(op, {"B": 2, "L": 100, **sizes}, everything)
    mx.eval(run_op(op, inputs, call(op.reference, op, inputs)))
    kernels = tuple(step.kernel.replace("/", "_") for step in op.spec.steps)
    found = [key for key, each in program._programs.items() if each.name.startswith(kernels)]
    assert len(found) > 1
    for unit, quickly in found:
        # A test before may have had another cache, so this one may lack the binary.
        votes = {b"sub_group_balloti"} if program._programs[unit, quickly].name.startswith(VOTING) else set()
        assert set(MASKED.findall(program.binary(unit, name, quickly))) <= votes


def test_a_kernel_that_runs_a_thread_after_another_has_no_simdgroups():
    fence = "__c11_atomic_signal_fence(__ATOMIC_SEQ_CST); y[i] += simd_shuffle_xor(a[i], 3);"
    made = opencl.build("fenced", ["a"], ["y"], f"uint i = thread_position_in_grid.x; {fence}", "")
    with pytest.raises(CompileError, match="fenced.*\n.*simd_shuffle_xor needs 32 threads that run together"):
        run(made)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("LOADER_CACHE", str(tmp_path))


@pytest.fixture
def built(monkeypatch):
    """Every compiled build, in order."""
    found, real = [], builds.Build.compile
    monkeypatch.setattr(builds.Build, "compile", lambda build, compiler: found.append(build) or real(build, compiler))
    return found


def script(code, **environment):
    code = "import mlx.core as mx, loader\n" + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("mode, expected", [("quick", [True]), ("optimised", [False]), ("auto", [True, False])])
def test_modes(mode, expected, empty, built, monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", mode)
    made = kernel(len(mode))
    first = run(made)
    deadline = time.monotonic() + 60
    while len(built) < len(expected) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [build.quick for build in built] == expected
    assert run(made) == first


def test_an_optimised_build_takes_the_place_of_the_quick_one(empty, monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", "auto")
    made = kernel(20)
    first = run(made)
    (found,) = [p for p in program._programs.values() if "+ 20.0f" in p._optimised.unit]
    deadline = time.monotonic() + 60
    while found.version < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found._build is found._optimised and found.version == 2
    assert run(made) == first


@pytest.mark.parametrize("dtype, number", [(mx.float16, 24), (mx.bfloat16, 25)])
def test_kernels_of_16_bit_numbers_stay_with_the_quick_build(dtype, number, empty, built, monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", "auto")
    shape = dict(output_shapes=[(1,)], output_dtypes=[mx.float32], grid=(32, 1, 1), threadgroup=(32, 1, 1))
    made = kernel(number)
    made(inputs=[mx.arange(8).astype(dtype)], **shape)
    (found,) = [p for p in program._programs.values() if f"+ {number}.0f" in p._optimised.unit]
    assert found.missing(best=True) is None
    found.optimise(None)
    assert [build.quick for build in built] == [True] and found.version == 1


def test_an_optimised_build_is_taken_from_the_cache_at_once(empty, built, monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", "optimised")
    run(kernel(21))
    monkeypatch.setenv("LOADER_BUILD", "auto")
    program._programs.clear()
    run(kernel(21))
    assert [build.quick for build in built] == [False]


def test_kernels_of_others_are_optimised_at_once(empty, built, monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", "auto")
    run(loader.metal_kernel("tried", ["a"], ["y"], BODY.format("30.0f")))
    assert [build.quick for build in built] == [False]


def test_an_unknown_mode_is_refused(monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", "fast")
    with pytest.raises(loader.BackendError, match="expected LOADER_BUILD to be one of auto, quick, optimised but got"):
        run(kernel(22))


def test_a_unit_that_the_quick_compiler_refuses_is_compiled_as_it_stands(empty, built, monkeypatch):
    monkeypatch.setattr(quick, "rewrite", lambda unit: "not a unit")
    value = run(kernel(23))
    assert [build.quick for build in built] == [True, False]
    assert np.isclose(value, run(kernel(23, "again")))


def test_loops_stay_loops_but_for_short_ones_over_two():
    short, long = "    s += e;\n", "    if (e) {\n" + 7 * "      s += e;\n" + "    }\n"
    loops = [("e < 2", short), ("e < 2", long), ("e < N", short), ("e < 2", short)]
    unit = "".join(f"  #pragma unroll\n  for (int e = 0; {end}; ++e) {{\n{body}  }}\n" for end, body in loops)
    rewritten = quick.rewrite(unit)
    found = re.findall(r"#pragma (unroll|clang loop unroll\(disable\))\n", rewritten)
    assert [name == "unroll" for name in found] == [True, False, False, True]
    assert rewritten.count("\n") == unit.count("\n") + 1


def test_an_error_names_the_line_of_the_source_in_every_build(empty):
    made = opencl.build("wrong", ["a"], ["y"], BODY.format("1.0f") + "\nnothing();", "")
    with pytest.raises(loader.CompileError, match=rf"wrong:{BODY.count(chr(10)) + 2}"):
        run(made)


def test_the_kernels_of_a_pass_are_compiled_side_by_side(empty, monkeypatch):
    asked = []
    real = builds.compiled
    monkeypatch.setattr(builds, "compiled", lambda todo: asked.append([b.name for b in todo]) or real(todo))
    op = loader.get("gla")
    inputs = draw(op, {"B": 1, "L": 33, "Hk": 1, "H": 1, "Dk": 3, "Dv": 5})
    mx.eval(op(*inputs.values()))
    assert [len(names) for names in asked] == [2]


def test_warm_up_leaves_nothing_to_compile(tmp_path):
    code = """
    from loader.portable.opencl import builds, program
    arrays = [mx.zeros((1, 40, 2))] * 2
    loader.warm_up("rglru", *arrays)
    before = builds.counts.compiled
    mx.eval(mx.grad(lambda a, b: loader.get("rglru")(a, b).sum(), argnums=(0, 1))(*arrays))
    print(before, builds.counts.compiled)
    """
    assert script(code, LOADER_CACHE=str(tmp_path)).stdout.split() == ["2", "2"]


RACE = """
from loader.portable.opencl import builds
from loader.portable import opencl
made = opencl.build("raced", ["a"], ["y"], BODY, "")
shape = dict(output_shapes=[(1,)], output_dtypes=[mx.float32], grid=(32, 1, 1), threadgroup=(32, 1, 1))
print("ready", flush=True)
input()
(y,) = made(inputs=[mx.arange(8).astype(mx.float32)], **shape)
print(y.item(), builds.counts.compiled, builds.counts.loaded)
"""


def test_processes_that_need_one_program_at_once_compile_it_once(tmp_path):
    code = f"import mlx.core as mx, loader\nBODY = {BODY.format('60.0f')!r}\n{RACE}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOADER_CACHE": str(tmp_path), "LOADER_BUILD": "optimised"}
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    racing = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(3)]
    assert [process.stdout.readline() for process in racing] == 3 * ["ready\n"]
    for process in racing:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=600)[0].split() for process in racing]
    assert len({value for value, _, _ in said}) == 1
    assert sorted((compiled, loaded) for _, compiled, loaded in said) == [("0", "1"), ("0", "1"), ("1", "0")]
    assert not list(tmp_path.rglob("*.lock"))


def test_a_kept_program_that_the_driver_refuses_is_compiled_again(empty, built, monkeypatch):
    monkeypatch.setenv("LOADER_BUILD", "optimised")
    made = kernel(61)
    first = run(made)
    (found,) = [p for p in program._programs.values() if "+ 61.0f" in p._optimised.unit]
    cache.put(found._optimised.key, b"no program")
    program._programs.clear()
    assert run(kernel(61)) == first and len(built) == 2
    assert len(found._optimised.kept()) > 100


def test_warm_up_refuses_what_a_call_refuses():
    with pytest.raises(ValueError, match=r"expected b to have shape"):
        loader.warm_up("rglru", mx.zeros((1, 2, 3)), mx.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match="there is no op 'rgl'"):
        loader.warm_up("rgl")


def test_a_long_compile_says_so(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LONG", 0.05)
    with progress.Progress(3) as shown, shown.of("gla_states_0123abcd"):
        time.sleep(0.5)
    assert re.fullmatch(r"\[loader\] compiling gla_states, 1 of 3; .*\n", capsys.readouterr().err)


def test_on_a_terminal_the_line_moves_and_goes(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LONG", 0.05)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.Progress(3) as shown, shown.of("gla_states_0123abcd"):
        time.sleep(0.8)
    time.sleep(0.4)
    said = capsys.readouterr().err
    assert said.startswith("\r\x1b[Kcompiling gla_states, 1 of 3 (") and said.endswith("\r\x1b[K") and "\n" not in said


def test_a_short_compile_says_nothing(capsys):
    with progress.Progress(1) as shown, shown.of("gla_states"):
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.full("optimised builds of an op of matrices take a minute")
@pytest.mark.parametrize("name", loader.names())
def test_optimised_builds_are_right(name):
    """The errors that the op promises: the ranks of its inputs with all options and without any in turn, both if it has
    one rank."""
    code = """
    import sys
    sys.path.insert(0, TESTS)
    from oracle import check, draw, poisoned, rank_sets
    op = poisoned(NAME)
    ranks = rank_sets(op)
    for i in range(max(2, len(ranks))):
        present = [array.name for array in op.spec.optional] if i % 2 == 0 else ()
        check(op, draw(op, {"B": 2, "L": 100, **op.spec.examples[0]}, present, ranks=ranks[i % len(ranks)]))
    """
    tests = str(ROOT / "tests")
    script(f"NAME, TESTS = {name!r}, {tests!r}\n" + textwrap.dedent(code), LOADER_BUILD="optimised")
