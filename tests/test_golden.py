"""The Metal unit that MLX hands to Apple's compiler, for every kernel of the manifest, exported and checked.
tests/golden stores MLX's part of it and a digest of our files' part; `make test ARGS=--update-golden` updates it."""

import hashlib
import itertools
import re
from pathlib import Path

import mlx.core as mx
import pytest
from oracle import draw, option_sets, rank_sets

import loader
from loader import source

pytestmark = pytest.mark.skipif(mx.cuda.is_available(), reason="MLX's CUDA build names the exported kernels otherwise")
GOLDEN = Path(__file__).parent / "golden"
# Kernels for rows of 16 bits, of which Apple GPUs load no matrices.
ELSEWHERE = {"gla_gates", "gla_states_raw", "gla_values_long"}


def kernels(op):
    found = [source.read(op.spec.root / "shaders" / f"{step.kernel}.metal", op.spec.root) for step in op.spec.steps]
    return [kernel for kernel in found if kernel.name not in ELSEWHERE]


def units(op, inputs, tmp_path):
    """The unit of every kernel that both passes launch, by its name, from what export_function stores."""
    names = list(inputs)
    options = tuple(option.default for option in op.spec.options)

    def both(*arrays):
        given = dict(zip(names, arrays))
        results = op.run_forward(given, options)
        plan = op.plan(given, options)
        given.update((array.name, x) for array, x in zip(plan.results, results))
        given.update((f"grad_{a.name}", mx.zeros_like(x)) for a, x in zip(op.spec.outputs, results))
        given.update(op._scalars(options))
        for launch in plan.backward:
            launch.run(given)
        return [x for name, x in given.items() if name not in names]

    path = tmp_path / "both.mlxfn"
    mx.export_function(str(path), both, *inputs.values())
    stored = path.read_bytes().decode("latin-1")
    launched = [kernel for kernel in kernels(op) if f"void custom_kernel_{kernel.unique_name}" in stored]
    return {kernel.name: _unit(stored, kernel) for kernel in launched}


def _unit(stored, kernel):
    signature = re.search(rf"\[\[kernel\]\] void custom_kernel_{kernel.unique_name}", stored).start()
    start = stored.rindex(f'#line 1 "{kernel.file}"', 0, signature)
    return stored[start : stored.index(";", stored.index("[[host_name(", signature)) + 1] + "\n"


def kept(text, kernel):
    """A unit as it is kept: MLX's signature and instantiation, digests of our header and body, and the kernel's name
    without the digest in it."""
    text = text.replace(kernel.unique_name, kernel.name)
    signature = text.rindex("template <", 0, text.index("[[kernel]]"))
    body = text.index(") {", signature) + len(") {")
    end = text.rindex("}", 0, text.rindex("template [[host_name("))
    parts = _digest("header", text[:signature]), text[signature:body], _digest("body", text[body:end]), text[end:]
    return "\n".join(part.strip() for part in parts) + "\n"


def _digest(what, text):
    return f"// {what} {hashlib.sha256(' '.join(text.split()).encode()).hexdigest()[:16]}"


@pytest.fixture
def metal():
    """The ops as an Apple GPU gets them; they are built on every machine."""
    return {name: loader.get(name, backend="metal") for name in loader.names()}


@pytest.mark.parametrize("name", loader.names())
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_units_are_as_kept(name, dtype, metal, tmp_path, request):
    op = metal[name]
    everything = [array.name for array in op.spec.optional]
    dtypes = {array.name: dtype for array in op.spec.inputs if array.differentiable and len(array.dtypes) > 1}
    found = {}
    # The last example, and the others for what it does not run.
    for example, length, ranks in itertools.product(reversed(op.spec.examples), (16, 1), rank_sets(op)):
        if len(found) < len({kernel.name for kernel in kernels(op)}):
            sizes = {"B": 2, "L": length, **example}
            found = units(op, draw(op, sizes, everything, dtypes, ranks=ranks), tmp_path) | found
    assert set(found) == {kernel.name for kernel in kernels(op)}
    for kernel in kernels(op):
        # A kernel of another op's gets other dtypes here, and a file of its own.
        path = GOLDEN / f"{'' if kernel.name.startswith(name) else f'{name}.'}{kernel.name}.{dtype}.txt"
        text = kept(found[kernel.name], kernel)
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        assert text == path.read_text(), f"{path.name} differs; see the top of this file"


@pytest.mark.parametrize("name", loader.names())
def test_units_have_the_written_signature(name, metal, tmp_path):
    """MLX writes the parameters that the author wrote: the same names, pointers, constness and attributes,
    but for the address space of an input below 8 elements."""
    op = metal[name]
    for present, length, ranks in itertools.product(option_sets(op), (1, 16), rank_sets(op)):
        inputs = draw(op, {"B": 1, "L": length, **op.spec.examples[0]}, present, ranks=ranks)
        found = units(op, inputs, tmp_path)
        for kernel in kernels(op):
            if kernel.name not in found:
                continue
            text = found[kernel.name]
            parameters = text[text.index("[[kernel]]") :].split("{")[0]
            written = {p.name: p for p in kernel.parameters}
            made = re.findall(r"([\w ]+[*&]?) (\w+) \[\[(\w+)(?:\(\d+\))?\]\]", parameters)
            assert {n for _, n, _ in made} == set(written), kernel.name
            for kind, n, attribute in made:
                assert (attribute == "buffer") == (written[n].attribute is None)
                if attribute == "buffer":
                    assert ("const" in kind.split()) == ("const" in written[n].type.split())
                    if n in inputs:
                        assert ("constant" in kind.split()) == (inputs[n].size < 8)
                else:
                    assert (kind.strip(), attribute) == (written[n].type, written[n].attribute)


def test_forward_of_a_metal_op_exports_anywhere(metal, tmp_path):
    path = tmp_path / "forward.mlxfn"
    a, b = mx.ones((1, 4, 2)), mx.ones((1, 4, 2))
    mx.export_function(str(path), metal["rglru"].forward, a, b)
    assert b"custom_kernel_rglru_forward" in path.read_bytes()
