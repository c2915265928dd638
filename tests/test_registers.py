"""python -m tools.registers: the counts follow from the kernel, and kernels above a limit are reported."""

import json
import shutil
from pathlib import Path

import nvrtc
import pytest

from tools.lint import run
from tools.lint.options import Options
from tools.registers import __main__ as command
from tools.registers import cases, count, report
from tools.registers.count import Row

pytestmark = nvrtc.needed
ROOT = Path(__file__).parents[1]
MIX = ROOT / "tests/manifests/mix"


@pytest.fixture
def product(tmp_path):
    shutil.copytree(MIX, tmp_path / "mix")
    return tmp_path / "mix/shaders/mix/product.metal"


def rows_of(path):
    return count.count(cases.of([str(path)], command.MANIFEST))


def edited(path, declared="", before="", after=""):
    """The kernel with more declared, and with more work before and after its own."""
    text = path.read_text()
    start = text.index("{", text.index("[[kernel]]")) + 1
    path.write_text(f"{text[:start]}\n{declared}\n{before}\n{text[start:].rstrip().removesuffix('}')}\n{after}\n}}\n")


def test_values_that_live_take_registers(product):
    """150 numbers that are read before a barrier and used after it need a register each, and more than 128 spill."""
    small = max(row.registers for row in rows_of(product))
    edited(
        product,
        before="float kept[150]; for (int j = 0; j < 150; ++j) kept[j] = scale[j];\n"
        "threadgroup_barrier(mem_flags::mem_threadgroup);",
        after="float sum = 0.0f; for (int j = 0; j < 150; ++j) sum = metal::fma(sum, product[j], kept[j]);\n"
        "product[0] = sum;",
    )
    row = max(rows_of(product), key=lambda row: row.registers)
    assert small < 64 and row.registers > 150
    assert 0 < row.held_stack < row.held_spill and row.stack == 0
    assert row.problems == [f"{row.held_stack} bytes of stack with 128 registers, of {row.registers} wanted"]


def test_an_array_that_a_rolled_loop_indexes_lies_in_memory(product):
    edited(
        product,
        before="float kept[100]; for (int j = 0; j < 100; ++j) kept[j] = scale[j];",
        after="for (int j = 0; j < row; ++j) kept[7 * j % 100] += scale[j];\nproduct[0] = kept[i % 100];",
    )
    row = rows_of(product)[0]
    assert row.stack == 400 and row.problems == ["400 bytes of private arrays have no register"]


def test_threadgroup_memory_and_barriers(product):
    edited(
        product,
        declared="threadgroup float shared[10000];",
        before="shared[thread_position_in_grid.x % 64] = scale[0];\nthreadgroup_barrier(mem_flags::mem_threadgroup);",
        after="threadgroup_barrier(mem_flags::mem_threadgroup);\nproduct[0] = shared[i % 10000];",
    )
    row = rows_of(product)[0]
    assert (row.threadgroup_bytes, row.barriers) == (40_000, 2)
    assert row.problems == ["40000 bytes of threadgroup memory, more than 32768"]
    found = [f for f in run.everything([product], options=Options(registers=True)) if f.rule == "registers"]
    assert {(f.file, f.line) for f in found} == {(str(product), 1)} and "40000 bytes" in found[0].message


def test_a_matrix_is_two_numbers_a_lane(product):
    """32 matrices that live across a barrier take 64 registers beside those of the kernel."""
    small = max(row.registers for row in rows_of(product))
    edited(
        product,
        before="simdgroup_float8x8 m[32];\n"
        "for (int j = 0; j < 32; ++j) simdgroup_load(m[j], scale + 64 * j, 8);\n"
        "threadgroup_barrier(mem_flags::mem_threadgroup);",
        after="for (int j = 1; j < 32; ++j) simdgroup_multiply_accumulate(m[0], m[j], m[0], m[j]);\n"
        "simdgroup_store(m[0], product, 8);",
    )
    assert 64 <= max(row.registers for row in rows_of(product)) <= 64 + small + 16


def test_every_kernel_of_an_op_has_its_cases():
    """Both dtypes, both sizes of heads, kernels of few steps and of many, gates of either rank."""
    made = cases.of(["gated_delta"], command.MANIFEST)
    files = {path.stem for path in (ROOT / "shaders/gated_delta").glob("*.metal")}
    assert files <= {case.file.removeprefix("gated_delta/") for case in made}
    for file in ("gated_delta/states", "gated_delta/recurrent"):
        mine = [case for case in made if case.file == file]
        assert {(case.dtype, case.head) for case in mine} == {(d, h) for d in cases.DTYPES_COUNTED for h in cases.HEADS}
        assert {dict(case.launch.arguments["template"])["PER_KEY"] for case in mine} == {True, False}
    assert {case.head for case in cases.of(["rglru"], command.MANIFEST)} == {None}


@pytest.mark.full("it compiles every kernel of an op for CUDA")
def test_the_command(capsys):
    assert command.main(["rglru"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4 and all(line.count("|") == 11 for line in lines)
    assert command.main([str(ROOT / "shaders/rglru/forward.metal"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["kernel"] for row in rows} == {"rglru/forward"} and all(row["problems"] == [] for row in rows)
    assert command.main(["nothing"]) == 2 and "there is no op 'nothing'" in capsys.readouterr().err
    assert (
        command.main([str(ROOT / "tests/lint/right/call.metal")]) == 2 and "of no manifest" in capsys.readouterr().err
    )


def test_the_worst_of_a_kernel_is_shown():
    def row(**changed):
        made = dict(op="a", kernel="a/k", dtype="float32", head=64, template={}, threads=512, registers=97, stack=0)
        made |= dict(held_stack=8, held_spill=16, threadgroup_bytes=0, barriers=0)
        return Row(**(made | changed))

    assert report.worst([row(), row(held_stack=0), row(dtype="bfloat16")]) == [row(), row(dtype="bfloat16")]
    assert row().problems == ["8 bytes of stack with 96 registers, of 97 wanted"]
    assert row(held_stack=0).problems == [] and "**8**" in report.table([row()])
    assert row(stack=8).problems == ["8 bytes of private arrays have no register"]
    assert (row().limit, row(threads=256).limit) == (96, 128)
