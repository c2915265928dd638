"""python -m tools.apple: the dry run, failures, and Apple's parts with stand-ins for its programs."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import loader
from loader import testing
from tools.apple import __main__ as command
from tools.apple import compiled, page, parity, plan, session
from tools.apple.session import Failure, Item, Skip
from tools.lint import apple
from tools.lint.source import Source

ROOT = Path(__file__).parents[1]
kernels = pytest.mark.skipif(loader.backend() == "reference", reason="there is no kernel to time")
PARTS = ["export", "compile", "pipelines", "parity", "ops", "models"]


def dry_run(folder, *ops):
    """(exit code, content of the JSON file, text of the Markdown file) of a run in a process of its own."""
    arguments = [sys.executable, "-m", "tools.apple", "--dry-run", "--output", str(folder / "report"), *ops]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads((folder / "report.json").read_text()), (folder / "report.md").read_text()


@kernels
def test_a_dry_run_of_one_op(tmp_path):
    code, content, text = dry_run(tmp_path, "rglru")
    rows = content["results"]
    assert code == 0 and list(dict.fromkeys(row["part"] for row in rows)) == PARTS
    statuses = {row["part"]: row["status"] for row in rows}
    assert statuses == dict.fromkeys(PARTS, "done") | {"compile": "skipped", "pipelines": "skipped"}
    results = {row["part"]: row["result"] for row in rows}
    assert len(results["export"]) == 2 and all(count > 0 for count in results["export"].values())
    assert {"y", "final_state", "grad_a", "grad_b"} == set(results["parity"])
    assert {row["who"] for row in results["ops"]} >= {"ours"} and all(row["milliseconds"] > 0 for row in results["ops"])
    assert content["machine"]["packages"]["mlx"] and content["dry_run"] is True
    assert "a dry run leaves Apple's parts out: rglru." in text and "| rglru float32 L 96 | grad_a |" in text


@kernels
@pytest.mark.full("it compiles a kernel of every op")
def test_a_dry_run_of_all_ops(tmp_path):
    code, content, _ = dry_run(tmp_path)
    assert code == 0, [row for row in content["results"] if row["status"] == "failed"]
    assert {row["name"] for row in content["results"] if row["part"] == "ops"} == set(loader.names())


def test_a_run_on_a_mac_has_every_op_and_dtype_and_the_two_models():
    items = plan.items(dry_run=False)
    assert list(dict.fromkeys(item.part for item in items)) == PARTS
    wanted = {f"{op} {dtype}" for op in loader.names() for dtype in testing.BOUNDS}
    assert {item.name.rpartition(" L ")[0] for item in items if item.part == "parity"} == wanted
    assert {item.name.split()[0] for item in items if item.part == "models"} == set(plan.MODELS)
    with pytest.raises(ValueError, match="there is no op 'rgrlu'"):
        plan.items(dry_run=False, names=["rgrlu"])


def _raise(error):
    raise error


def test_it_goes_on_after_a_failure(tmp_path, capsys):
    items = [
        Item("export", "breaks", lambda: _raise(RuntimeError("out of luck"))),
        Item("ops", "exits", lambda: _raise(SystemExit("not timed"))),
        Item("compile", "absent", lambda: _raise(Skip("this is no Mac"))),
        Item("parity", "wrong", lambda: _raise(Failure("above", {"y": {"error": 1.0, "bound": 1e-5}}))),
        Item("parity", "right", lambda: {"y": {"error": 1e-7, "bound": 1e-5}}),
    ]
    report = session.Report(tmp_path / "report", dry_run=False)
    session.run(items, report)
    rows = json.loads(report.json.read_text())["results"]
    assert [row["status"] for row in rows] == ["failed", "failed", "skipped", "failed", "done"]
    assert "out of luck" in rows[0]["said"] and rows[3]["result"]["y"]["error"] == 1.0
    text = report.markdown.read_text()
    assert (
        "**breaks failed**" in text and "because this is no Mac: absent." in text and "| right | y | 1.0e-07 |" in text
    )
    assert report.summary().startswith("1 done, 3 failed, 1 skipped; failed: export breaks, ops exits, parity wrong")


def test_what_was_done_is_there_when_it_is_stopped(tmp_path, monkeypatch, capsys):
    items = [Item("export", "one", lambda: {"k": 1}), Item("export", "two", lambda: _raise(KeyboardInterrupt()))]
    monkeypatch.setattr(plan, "items", lambda *_: items)
    assert command.main(["--output", str(tmp_path / "new" / "report")]) == 0
    assert "stopped" in capsys.readouterr().err
    assert [row["name"] for row in json.loads((tmp_path / "new" / "report.json").read_text())["results"]] == ["one"]


@pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")
def test_parity_says_what_is_above_its_bound(monkeypatch):
    sizes = {"D": 33}
    found = parity.run("rglru", "bfloat16", 7, sizes, True)
    assert set(found) == {"y", "final_state", "grad_a", "grad_b", "grad_initial_state"}
    assert 0 < found["y"]["error"] <= found["y"]["bound"] == 1e-2
    monkeypatch.setattr("loader.testing.kernels.BOUNDS", dict.fromkeys(testing.BOUNDS, 1e-9))
    with pytest.raises(Failure, match="above the promised error: y, ") as failure:
        parity.run("rglru", "bfloat16", 7, sizes, True)
    assert failure.value.result["y"]["bound"] == 1e-9


@pytest.fixture
def mac(tmp_path, monkeypatch):
    """A function that puts a program called xcrun, of these lines of Python, in front of all others."""

    def put(*lines):
        program = tmp_path / "bin" / "xcrun"
        program.parent.mkdir(exist_ok=True)
        program.write_text("\n".join([f"#!{sys.executable}", "import json, os, sys", *lines]))
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(apple, "missing", lambda: None)

    return put


def test_apple_parts_are_left_out_elsewhere(monkeypatch):
    monkeypatch.setattr(apple, "missing", lambda: "this is no Mac")
    for part in (compiled.compile, compiled.pipelines):
        with pytest.raises(Skip, match="no Mac"):
            part("rglru")


def test_every_unit_goes_through_apples_compiler(mac):
    mac(
        "text = open(sys.argv[-1]).read()",
        "assert '-std=metal3.1' in sys.argv and text.startswith('#include <metal_stdlib>')",
        "if 'custom_kernel_rglru_backward' in text:",
        "    sys.exit('shaders/rglru/backward.metal:7:1: error: no')",
        "sys.exit(0)",
    )
    with pytest.raises(Failure, match="refused: rglru_backward_[0-9a-f]{8}$") as failure:
        compiled.compile("rglru")
    rows = failure.value.result
    assert {row["kernel"].rpartition("_")[0] for row in rows} == {"rglru_forward", "rglru_backward"}
    assert all(row["accepted"] == ("forward" in row["kernel"]) for row in rows)
    assert "backward.metal:7:1: error: no" in next(row["said"] for row in rows if not row["accepted"])


def test_lint_asks_apples_compiler_of_units_too(mac):
    mac("sys.exit('shaders/rglru/forward.metal:12:3: warning: odd')")
    unit = Source(ROOT / "shaders/rglru/forward.metal", "[[kernel]] void custom_kernel_x() {}", is_unit=True)
    (finding,) = apple.check(unit)
    assert (finding.file, finding.line, finding.rule, finding.message) == (
        "shaders/rglru/forward.metal",
        12,
        "apple",
        "odd",
    )


@pytest.mark.parametrize("most, fails", [(512, False), (448, True)])
def test_each_pipeline_says_how_many_threads_it_takes(mac, monkeypatch, most, fails):
    """The stand-in for swiftc writes a program that answers as the Swift program does."""
    answer = f"print(json.dumps({{'file': f, 'kernel': 'k', 'most_threads': {most}, 'threadgroup_bytes': 64}}))"
    program = f"#!{sys.executable}\nimport json, sys\nfor f in sys.argv[1:]:\n    {answer}\n"
    mac(
        "assert sys.argv[1] == 'swiftc'", f"open(sys.argv[-1], 'w').write({program!r})", "os.chmod(sys.argv[-1], 0o755)"
    )
    compiled._program.cache_clear()
    try:
        if fails:
            with pytest.raises(Failure, match="fewer threads than are launched: rglru_backward_"):
                compiled.pipelines("rglru")
            return
        rows = compiled.pipelines("rglru")
    finally:
        compiled._program.cache_clear()
    assert {row["name"].rpartition("_")[0] for row in rows} == {"rglru_forward", "rglru_backward"}
    assert all((row["launched_threads"], row["most_threads"]) == (512, 512) for row in rows)
    assert "| 512 | 512 | 64 |" in page.text(
        {"machine": {}, "dry_run": False, "started": "", "results": [_result("pipelines", rows)]}
    )


def _result(part, result):
    return {"part": part, "name": "rglru", "status": "done", "seconds": 1.0, "result": result, "said": None}
