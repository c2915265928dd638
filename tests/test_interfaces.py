"""The interface: names, types, help, calls by name, warnings, and the modules that an import loads."""

import copy
import importlib
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import pytest
from oracle import draw, first

import loader
from loader import Op

ROOT = Path(__file__).parents[1]
A, B = mx.full((2, 3, 4), 0.5), mx.ones((2, 3, 4))
STATE = mx.ones((2, 4))


def fresh(name):
    """The op as it is before its first call."""
    op = loader.get(name)
    return Op(op.spec, op.engine, op._reference)


def public_functions():
    for owner in (loader, loader.nn, loader.parallel, loader.testing):
        for name in getattr(owner, "__all__", ("RGLRU", "CausalConv")):
            thing = getattr(owner, name)
            if inspect.isclass(thing):
                methods = inspect.getmembers(thing, inspect.isfunction)
                yield from ((f"{name}.{m}", f) for m, f in methods if m == "__call__" or m[0] != "_")
            else:
                yield name, thing
    yield "MetalKernel.__call__", type(loader.metal_kernel("none", [], ["y"], "")).__call__


# What ops are made of, for engines and for loader.parallel.
INSIDE = {"arrays", "backward_pass", "call_reference", "forward_pass", "passes", "plan", "present", "read"}
INSIDE |= {"reference_gradients", "run", "run_backward", "run_forward", "steps"}


@pytest.mark.skipif(loader.backend() == "reference", reason="there is no kernel to look at")
def test_public_functions_say_their_types():
    for name, function in public_functions():
        owner, _, method = name.rpartition(".")
        if (owner == "Op" and method in INSIDE) or not getattr(function, "__module__", "").startswith("loader"):
            continue
        function = inspect.unwrap(function)
        due = {*inspect.signature(function).parameters, "return"} - {"self"}
        assert due <= function.__annotations__.keys(), f"{name} leaves out {due - function.__annotations__.keys()}"


def test_type_checkers_look_at_the_package():
    assert (Path(loader.__file__).parent / "py.typed").is_file()


def test_dir_is_what_is_public():
    names = dir(loader)
    assert {*loader.__all__, "__version__", "nn", "parallel", "testing"} <= set(names)
    assert not {"mlx", "re", "Path", "copyreg", "engines", "manifest"} & set(names)
    assert all(hasattr(loader, name) for name in names)
    with pytest.raises(AttributeError, match=r"no attribute 'metal_kernal'. Did you mean 'metal_kernel'"):
        loader.metal_kernal  # noqa: B018


def test_the_version_is_the_packages():
    assert loader.__version__.count(".") == 2
    assert 'path = "loader/__init__.py"' in (ROOT / "pyproject.toml").read_text()


def test_help_shows_every_way_to_call(op):
    assert all(f".{method}(" in op.__doc__ for method in ("step", "reference", "forward"))
    assert list(inspect.signature(op).parameters)[: len(op.spec.required)] == [a.name for a in op.spec.required]


def test_inputs_go_by_name_too():
    rglru = loader.get("rglru")
    want = rglru(A, B, initial_state=STATE)
    for got in (
        rglru(a=A, b=B, initial_state=STATE),
        rglru(b=B, initial_state=STATE, a=A),
        rglru(A, initial_state=STATE, b=B),
        rglru.reference(A, b=B, initial_state=STATE),
        rglru.forward(b=B, a=A, initial_state=STATE),
    ):
        assert mx.allclose(got, want)
    for got, expected in zip(rglru.step(A[:, 0], b=B[:, 0]), rglru.step(A[:, 0], B[:, 0])):
        assert mx.array_equal(got, expected)
    loader.warm_up("rglru", a=A, b=B)


def test_every_op_takes_its_inputs_by_name(op):
    inputs = draw(op, {"B": 1, "L": 2, **op.spec.examples[0]})
    want = op.reference(*inputs.values())
    got = op.reference(**inputs)
    pairs = zip(got, want) if isinstance(got, tuple) else [(got, want)]
    assert all(mx.array_equal(x, y) for x, y in pairs)


def test_gradients_of_inputs_by_name():
    rglru = loader.get("rglru")
    by_name = mx.grad(lambda a, b: rglru(b=b, a=a).sum(), argnums=(0, 1))(A, B)
    by_position = mx.grad(lambda a, b: rglru(a, b).sum(), argnums=(0, 1))(A, B)
    assert all(mx.array_equal(x, y) for x, y in zip(by_name, by_position))


TRACED = "the opencl backend runs kernels at the call, so mx.compile, .* keep the op out of the traced function"


@pytest.mark.skipif(loader.backend() != "opencl", reason="other engines run kernels within mx.compile")
def test_the_warning_about_compile_is_at_the_callers_line():
    op = fresh("rglru")
    with pytest.warns(RuntimeWarning, match=TRACED) as caught:
        compiled = mx.compile(lambda a, b: op(a, b))
        line = inspect.currentframe().f_lineno - 1
        assert mx.allclose(compiled(A, B), op.reference(A, B))
    assert [(Path(w.filename).name, w.lineno) for w in caught] == [(Path(__file__).name, line)]


@pytest.mark.skipif(loader.backend() != "opencl", reason="other engines have no values at the call")
@pytest.mark.parametrize("name", first(1, ["gla", "gated_delta"], "it compiles both passes"))
def test_a_gate_in_logarithms_is_told_once(name):
    op, inputs = fresh(name), draw(loader.get(name), {"B": 1, "L": 4, "H": 2, "Hk": 1, "Dk": 8, "Dv": 8})
    logs = {**inputs, "g": mx.log(mx.maximum(inputs["g"], 0.01) * 0.9)}
    with pytest.warns(RuntimeWarning, match=rf"\[{name}\] expected g to be the decay, .* pass mx.exp\(g\)") as caught:
        mx.grad(lambda v: op(**{**logs, "v": v}).sum())(logs["v"])
        op(**logs)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert "not its logarithm" in str(op)


@pytest.mark.filterwarnings("error:.*below 0")
@pytest.mark.parametrize("name", ["gla", "gated_delta"])
def test_a_decay_is_no_logarithm(name):
    op, inputs = fresh(name), draw(loader.get(name), {"B": 1, "L": 4, "H": 2, "Hk": 1, "Dk": 8, "Dv": 8})
    mx.eval(op(**inputs))
    mx.eval(fresh(name)(**{**inputs, "g": inputs["g"] - 0.5}))
    copy.copy(op)(**{**inputs, "g": -inputs["g"]})  # only the first call is looked at


def test_an_import_brings_little_along():
    """Modules instead of milliseconds, which the machine decides: of ours what every call needs, of others few."""
    code = "import mlx.core, sys; before = set(sys.modules); import loader; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    modules = done.stdout.split()
    late = {"numpy", "mlx.nn", "tqdm", "loader.nn", "loader.parallel", "loader.testing"}
    assert not late & set(modules)
    assert len([m for m in modules if m.startswith("loader")]) <= 50
    assert len(modules) <= 150, sorted(modules)


def test_an_import_reads_each_file_once():
    code = """if True:
        import collections, loader.files, loader.source
        read, counts = loader.files.read, collections.Counter()
        loader.files.read = lambda path, file: counts.update([str(path)]) or read(path, file)
        assert len(loader.manifest.load(loader._PATH)) == len(loader.names())
        print(len(counts), max(counts.values()))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    files, most = map(int, done.stdout.split())
    assert files > 50 and most == 1


def test_the_example_learns():
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        losses = importlib.import_module("train").train(steps=12, size=16)
    finally:
        sys.path.pop(0)
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.full("mypy reads all of MLX's types for five seconds")
def test_the_example_is_typed(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy comes with the extra `test`")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "examples/train.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
