"""The processes that compile and validate: the caller survives their crash, and its folder does not affect them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import mlx.core as mx
import pytest
from oracle import first

import loader
from loader.portable.opencl import builds, child
from loader.portable.opencl.library import find_library

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(loader.backend() != "opencl", reason="about the opencl engine")

RUN = """
import sys
import mlx.core as mx, loader
kernel = loader.metal_kernel("tried", ["a"], ["y"], "y[thread_position_in_grid.x] = a[0] + metal::sin(a[1]);",
                             validate=len(sys.argv) > 1)
y, = kernel(inputs=[mx.array([4.0, 0.0])], output_shapes=[(4,)], output_dtypes=[mx.float32], grid=(4, 1, 1),
            threadgroup=(4, 1, 1))
print(ascii(loader.__file__), y.tolist())
"""


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """Every test compiles."""
    monkeypatch.setenv("LOADER_CACHE", str(tmp_path / "cache"))


def run(value, **options):
    """A kernel that returns `value`, an expression."""
    kernel = loader.metal_kernel("tried", [], ["y"], f"y[0] = {value};", **options)
    one = (1, 1, 1)
    return kernel(inputs=[], output_shapes=[(1,)], output_dtypes=[mx.float32], grid=one, threadgroup=one)[0].item()


def script(path, code, *arguments, **options):
    """Run code as the file `path`, so that the working directory is not where it imports from."""
    path.write_text(textwrap.dedent(code))
    return subprocess.Popen(
        [sys.executable, path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def compiler():
    """The process that compiles for a thread that compiles one kernel."""
    return builds._pools()[0]["optimised"]


def ends(process):
    """Whether a process is gone within a minute."""
    deadline = time.monotonic() + 60
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(process)


DEEP = {
    "a sum": "+".join(["1.0f"] * 20_000),
    "signs": "- " * 20_000 + "1.0f",
    "brackets": "(" * 5000 + "1.0f" + ")" * 5000,
}


@pytest.mark.parametrize("value", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("validate", first(1, [False, True], "the worker that validates dies alike"))
def test_a_kernel_that_ends_the_compiler_is_a_compile_error(value, validate, capfd):
    with pytest.raises(loader.CompileError, match=r"\[tried\] ended the compiler \(signal 11, Segmentation fault"):
        run(value, validate=validate)
    assert run("3.5f", validate=validate) == 3.5
    assert not re.sub(r"\[loader\] compiling tried, .*\n", "", capfd.readouterr().err)


def test_a_compiler_that_was_killed_is_started_again():
    assert run("1.5f") == 1.5
    os.kill(compiler()._process.pid, signal.SIGKILL)
    compiler()._process.wait()
    assert run("2.5f") == 2.5


def test_a_compiler_killed_at_work_is_a_compile_error(monkeypatch):
    assert run("1.25f") == 1.25

    def killed(*_):
        os.kill(compiler()._process.pid, signal.SIGKILL)
        raise EOFError

    with monkeypatch.context() as patch, pytest.raises(loader.CompileError, match=r"\(signal 9, Killed\)"):
        patch.setattr(child.pickle, "load", killed)
        run("2.25f")
    assert run("2.25f") == 2.25


def test_an_answer_that_nobody_waited_for_is_no_other_kernels(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(child.pickle, "load", interrupt)
        run("1.125f")
    assert run("2.125f") == 2.125 and run("1.125f") == 1.125


def test_an_exit_while_it_works_ends_it_in_silence():
    """The interpreter exits while the thread that optimises waits for an answer."""
    worker, found = child.Child("compiler"), []

    def ask():
        try:
            worker.ask("kernel void k() {}")
        except child.Ended as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while worker._process is None:
        time.sleep(0.001)
    worker._stop_at_exit()
    thread.join(timeout=60)
    assert len(found) == 1


def test_a_frozen_application_starts_no_copy_of_itself(monkeypatch):
    compiler().stop()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(loader.BackendError, match="a frozen application cannot start"):
        run("1.0625f")


def test_ctrl_c_does_not_reach_the_compiler():
    run("1.75f")
    process = compiler()._process
    assert os.getpgid(process.pid) != os.getpgid(0)
    assert run("2.75f") == 2.75 and compiler()._process is process


def test_threads_compile_at_once():
    got = {}

    def work(i):
        with mx.stream(mx.new_thread_local_stream(mx.cpu)):
            got[i] = [run(f"{i}.0f + {k}") for k in range(3)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert got == {i: [i, i + 1, i + 2] for i in range(4)}


ENDLESS = """
    import os, signal, threading, time
    import mlx.core as mx, loader
    from loader.portable.opencl import builds, validate

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background has them ignore

    def end():
        while validate._worker._process is None:
            time.sleep(0.02)
        print(builds._pools()[0]['optimised']._process.pid, validate._worker._process.pid, flush=True)
        time.sleep(0.5)
        os.kill(os.getpid(), {})

    threading.Thread(target=end, daemon=True).start()
    body = "volatile device float* p = y; while (a[0] < 2) p[0] = p[0] + 1;"
    kernel = loader.metal_kernel("endless", ["a"], ["y"], body, validate=True)
    kernel(inputs=[mx.ones((8,))], output_shapes=[(1,)], output_dtypes=[mx.float32], grid=(1, 1, 1),
           threadgroup=(1, 1, 1))
"""


@pytest.mark.parametrize(
    "number", first(1, [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], "each starts three processes")
)
def test_they_end_with_the_caller_at_rest_and_at_work(tmp_path, number):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with script(tmp_path / "run.py", ENDLESS.format(int(number)), env=environment) as caller:
        processes = caller.stdout.readline().split()
        assert len(processes) == 2, caller.stderr.read()
        assert all(map(alive, processes)) and caller.wait() == -number
    assert all(map(ends, processes))


@pytest.mark.parametrize("arguments", [(), ("validate",)])
def test_the_working_directory_is_imported_by_none(tmp_path, arguments):
    poisoned = tmp_path / "poisoned"
    poisoned.mkdir()
    for name in ("loader", "mlx", "numpy", "yaml", "ctypes", "pickle", "sitecustomize"):
        (poisoned / f"{name}.py").write_text("open('imported', 'w').close()")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with script(tmp_path / "run.py", RUN, *arguments, cwd=poisoned, env=environment) as process:
        out, errors = process.communicate()
    assert out == f"{ascii(loader.__file__)} [4.0, 4.0, 4.0, 4.0]\n", errors
    assert not (poisoned / "imported").exists()


def test_the_runtime_may_lie_below_a_blank(tmp_path):
    """As in a virtual environment in such a folder: the runtime finds its files by its path up to the first blank."""
    library, temporary = tmp_path / "a b" / "lib", tmp_path / "temporary"
    library.mkdir(parents=True)
    temporary.mkdir()
    runtime = find_library()[0]
    for file in runtime.parent.iterdir():
        if file != runtime:
            (library / file.name).symlink_to(file)
    copy = shutil.copy(runtime, library)
    code = f"import mlx.core, sys; sys.prefix = {str(library.parent)!r}\n{RUN}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    with script(tmp_path / "run.py", code, env=environment) as process:
        out, errors = process.communicate()
    os.unlink(copy)
    assert "[4.0, 4.0, 4.0, 4.0]" in out, errors
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("name", ["a b", "-I 'x' \"y\" \\z %s$HOME;#\n\xfc\udce4"], ids=["blank", "odd"])
def test_a_checkout_may_lie_anywhere(tmp_path, name):
    """And so may the cache."""
    root = tmp_path / name
    root.mkdir()
    shutil.copytree(ROOT / "loader", root / "loader", ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("shaders", "manifest.yaml"):
        (root / part).symlink_to(ROOT / part)
    environment = {**os.environ, "PYTHONPATH": str(root), "LOADER_CACHE": str(root / "cache")}
    for _ in range(2):
        with script(tmp_path / "run.py", RUN, env=environment) as process:
            out, errors = process.communicate()
        assert out == f"{ascii(str(root / 'loader' / '__init__.py'))} [4.0, 4.0, 4.0, 4.0]\n", errors
