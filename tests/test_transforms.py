"""Ops under MLX's function transformations, with the checks that mx.custom_function lacks."""

import threading
import warnings
from collections import defaultdict

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from oracle import KERNELS_VMAP, assert_close, draw, needs_kernels
from test_manifest_ops import MANIFEST
from test_manifest_ops import reference as mix_reference

import loader
from loader import Op

SIZES = {"B": 2, "L": 9, "D": 33}

vmaps = pytest.mark.skipif(not KERNELS_VMAP, reason="MLX cannot vmap a kernel inside of a custom_function")


@pytest.fixture
def rglru():
    return loader.get("rglru")


def inputs(**sizes):
    return list(draw(loader.get("rglru"), {**SIZES, **sizes}).values())


def loss(op):
    return lambda a, b: (op(a, b) ** 2).sum()


def close(got, want):
    op = loader.get("rglru")
    for x, y in zip(got, want):
        assert_close(op, x, y, "result")


def quietly(function, *arrays):
    """Where kernels run at the call, transformations that trace take the reference, and say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = function(*arrays)
        mx.eval(result)
        return result


def test_grad_and_value_and_grad(rglru):
    a, b = inputs()
    want = mx.grad(loss(rglru.reference), argnums=(0, 1))(a, b)
    close(mx.grad(loss(rglru), argnums=(0, 1))(a, b), want)
    value, gradients = mx.value_and_grad(loss(rglru), argnums=(0, 1))(a, b)
    close([value, *gradients], [loss(rglru.reference)(a, b), *want])


def test_a_float_option_is_no_key_of_a_cache():
    """Hundreds of values of `scale`: one plan with its functions, and no memory that stays."""
    mix = loader.load(MANIFEST, references={"mix": mix_reference})["mix"]
    x, w = mx.random.normal((1, 2, 4)), mx.ones((4,))

    def run(scale):
        return mx.grad(lambda w: mix(x, w, scale=scale).sum())(w)

    first = run(1.0)
    before = mix._passes.cache_info().currsize
    for i in range(300):
        assert mx.allclose(run(1 + i / 7), (1 + i / 7) * first, rtol=1e-5)
    assert mix._passes.cache_info().currsize == before
    assert mx.array_equal(run(None), first) and mx.array_equal(run(np.float32(2)), 2 * first)
    assert mix._passes.cache_info().maxsize


def test_a_float_option_under_nested_transforms():
    mix = loader.load(MANIFEST, references={"mix": mix_reference})["mix"]
    x, w = mx.random.normal((3, 2, 4)), mx.ones((4,))

    def gradient(x):
        return mx.grad(lambda x: mix(x[None], w, scale=0.3, square=True).sum())(x)

    want = mx.stack([gradient(row) for row in x])
    assert mx.allclose(want, 2 * 0.09 * x, rtol=1e-5)
    if KERNELS_VMAP:
        assert mx.allclose(quietly(mx.vmap(gradient), x), want, rtol=1e-5)
    assert mx.allclose(quietly(mx.compile(gradient), x[0]), want[0], rtol=1e-5)


def test_grad_of_one_argument_and_of_the_state(rglru):
    a, b = inputs()
    state = mx.random.normal((2, 33))
    for argument in range(3):
        gradients = [
            mx.grad(lambda a, b, h, op=op: op(a, b, initial_state=h).sum(), argnums=argument)(a, b, state)
            for op in (rglru, rglru.reference)
        ]
        close(gradients[:1], gradients[1:])


def test_unused_outputs_have_zero_cotangents(rglru):
    a, b = inputs()
    for pick in (0, 1):
        got, want = (
            mx.grad(lambda a, b, op=op, pick=pick: op(a, b, return_state=True)[pick].sum(), argnums=(0, 1))(a, b)
            for op in (rglru, rglru.reference)
        )
        close(got, want)


def test_same_array_twice(rglru):
    a, _ = inputs()
    close([mx.grad(lambda x: rglru(x, x).sum())(a)], [mx.grad(lambda x: rglru.reference(x, x).sum())(a)])


def test_checkpoint(rglru):
    a, b = inputs()
    close(
        mx.grad(mx.checkpoint(loss(rglru)), argnums=(0, 1))(a, b), mx.grad(loss(rglru.reference), argnums=(0, 1))(a, b)
    )


@vmaps
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0), (2, 1)])
def test_vmap_equals_a_loop(rglru, axes):
    stacks = [mx.stack([x + i for i in range(3)], axis=at) if at is not None else x for x, at in zip(inputs(), axes)]
    rows = [[mx.take(x, i, axis=at) if at is not None else x for x, at in zip(stacks, axes)] for i in range(3)]
    got = quietly(mx.vmap(rglru, in_axes=axes), *stacks)
    close([got], [mx.stack([rglru(*row) for row in rows])])


@vmaps
def test_grad_and_vmap_nest_both_ways(rglru):
    a, b = (mx.stack([x, 2 * x, 3 * x]) for x in inputs())
    want = [mx.stack(x) for x in zip(*(mx.grad(loss(rglru), argnums=(0, 1))(*row) for row in zip(a, b)))]
    close(quietly(mx.vmap(mx.grad(loss(rglru), argnums=(0, 1))), a, b), want)
    close(quietly(mx.grad(lambda a, b: mx.vmap(loss(rglru))(a, b).sum(), argnums=(0, 1)), a, b), want)


@vmaps
def test_vmap_over_cotangents_only(rglru):
    a, b = inputs()
    cotangents = mx.random.normal((3, 2, 9, 33))
    got = quietly(mx.vmap(lambda c: mx.vjp(rglru, [a, b], [c])[1]), cotangents)
    want = [mx.stack(x) for x in zip(*(mx.vjp(rglru, [a, b], [c])[1] for c in cotangents))]
    close(got, want)


def test_compile(rglru):
    a, b = inputs()
    step = mx.value_and_grad(loss(rglru), argnums=(0, 1))
    value, gradients = quietly(mx.compile(step), a, b)
    want, want_gradients = step(a, b)
    close([value, *gradients], [want, *want_gradients])


def test_export_of_forward(rglru, tmp_path):
    a, b = inputs()
    path = str(tmp_path / "rglru.mlxfn")
    quietly(lambda: mx.export_function(path, rglru.forward, a, b))
    if rglru.engine.NAME != "metal":
        close(mx.import_function(path)(a, b), [rglru(a, b)])


def test_tracing_warns_once(rglru):
    if rglru.engine.LAZY:
        pytest.skip("a lazy engine runs its kernels under transformations")
    op = Op(rglru.spec, rglru.engine, rglru._reference)
    a, b = inputs()
    with pytest.warns(RuntimeWarning, match=r"\[rglru\] took the plain-MLX reference") as caught:
        mx.eval(mx.compile(op)(a, b), mx.compile(lambda a, b: op(a, 2 * b))(a, b))
    assert len(caught) == 1


@needs_kernels
def test_jvp_and_second_order_name_the_op(rglru):
    a, b = inputs()
    # Where a kernel is part of the graph MLX asks that first, with an error of its own.
    with pytest.raises(
        (NotImplementedError, ValueError), match=r"\[rglru\] has no forward-mode|::jvp\] Not implemented"
    ):
        mx.jvp(rglru, [a, b], [a, b])
    with pytest.raises(NotImplementedError, match=r"\[rglru\] has no second-order"):
        mx.grad(lambda a: mx.grad(loss(rglru))(a, b).sum())(a)
    mx.eval(mx.grad(lambda a: mx.grad(loss(rglru.reference))(a, b).sum())(a))


def test_non_contiguous_and_broadcast_inputs(rglru):
    a, b = inputs()
    transposed = mx.swapaxes(mx.contiguous(mx.swapaxes(a, 1, 2)), 1, 2)
    close([rglru(transposed, b)], [rglru(a, b)])
    strided = mx.repeat(b, 2, axis=1)[:, ::2]
    close([rglru(a, strided)], [rglru(a, b)])
    wide = mx.broadcast_to(a[:1, :1], a.shape)
    close([rglru(wide, b)], [rglru(mx.contiguous(wide), b)])
    gradient = mx.grad(lambda x: rglru(mx.broadcast_to(x, a.shape), b).sum())(a[:1, :1])
    close([gradient], [mx.grad(lambda x: rglru.reference(mx.broadcast_to(x, a.shape), b).sum())(a[:1, :1])])


def test_gradients_have_the_dtype_of_their_primal(rglru):
    a, b = inputs()
    gradients = mx.grad(lambda *x: rglru(*x).astype(mx.float32).sum(), argnums=(0, 1))(a, b.astype(mx.bfloat16))
    assert [g.dtype for g in gradients] == [mx.float32, mx.bfloat16]


def test_a_reset_has_no_gradient_and_may_be_among_the_primals(rglru):
    a, b = inputs()
    reset = mx.zeros((2, 9), dtype=mx.bool_)
    _, gradients = mx.vjp(lambda a, b, r: rglru(a, b, reset=r), [a, b, reset], [b])
    assert gradients[2].shape == (2, 9)


def test_module_trains(rglru):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.value = nn.Linear(8, 33), nn.Linear(8, 33)

        def __call__(self, x):
            return rglru(mx.sigmoid(self.gate(x)), self.value(x))

    block, x = Block(), mx.random.normal((2, 9, 8))
    step = nn.value_and_grad(block, lambda m, x: (m(x) ** 2).mean())
    values = []
    for _ in range(5):
        value, gradients = step(block, x)
        block.update(nn.utils.tree_map(lambda p, g: p - 0.5 * g, block.parameters(), gradients))
        values.append(value.item())
    assert values == sorted(values, reverse=True)


def test_stream_argument(rglru):
    a, b = inputs()
    close([quietly(lambda: rglru(a, b, stream=mx.cpu))], [rglru(a, b)])


def test_threads(rglru):
    a, b = inputs()
    want = rglru(a, b)
    mx.eval(want)
    results = {}

    def work(i):
        results[i] = all(mx.array_equal(rglru(a, b), want).item() for _ in range(20))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(results[i] for i in range(8))


class Lazy:
    """An engine whose kernels build graphs, as those of a GPU do, here of MLX operations by kernel name. What
    the wrapper does under vmap is the same whatever kernels are made of; `calls` shows which of them ran."""

    NAME, LAZY = "lazy", True

    def __init__(self, kernels):
        self.kernels, self.calls = kernels, []

    def missing(self):
        return None

    def ready(self, arrays):
        return True

    def prepare(self, launches, best=False):
        pass

    def build(self, name, input_names, output_names, source, header, resident=1):
        name = name.rsplit("_", 1)[0]

        def kernel(*, inputs, output_shapes, **_):
            self.calls.append((name, inputs[0].shape))
            return self.kernels[name](dict(zip(input_names, inputs)), output_shapes)

        return kernel

    def op(self, like):
        return Op(like.spec, self, like._reference)


def rglru_kernels():
    truth = loader.get("rglru")._reference

    def forward(given, shapes):
        return [*truth(given["a"], given["b"]), mx.zeros(shapes[2])]

    def backward(given, shapes):
        cotangents = [given["grad_y"], given["grad_final_state"]]
        return [*mx.vjp(truth, [given["a"], given["b"]], cotangents)[1], mx.zeros(shapes[2])]

    return {"rglru_forward": forward, "rglru_backward": backward}


@pytest.fixture
def lazy():
    return Lazy(rglru_kernels())


def test_vmap_folds_into_the_batch_and_keeps_the_gradient(rglru, lazy):
    op = lazy.op(rglru)
    a, b = (mx.stack([x, 2 * x, 3 * x]) for x in inputs())
    close([mx.vmap(op)(a, b)], [mx.stack([rglru(*row) for row in zip(a, b)])])
    assert lazy.calls[-1] == ("rglru_forward", (6, 9, 33))
    want = [mx.stack(x) for x in zip(*(mx.grad(loss(rglru), argnums=(0, 1))(*row) for row in zip(a, b)))]
    for gradients in (
        mx.vmap(mx.grad(loss(op), argnums=(0, 1)))(a, b),
        mx.grad(lambda a, b: mx.vmap(loss(op))(a, b).sum(), argnums=(0, 1))(a, b),
    ):
        close(gradients, want)
        assert lazy.calls[-1] == ("rglru_backward", (6, 9, 33))


def test_vmap_over_one_input_repeats_the_other(rglru, lazy):
    op = lazy.op(rglru)
    a, b = inputs()
    many = mx.stack([b, 2 * b], axis=1)
    close([mx.vmap(op, in_axes=(None, 1))(a, many)], [mx.stack([rglru(a, b), rglru(a, 2 * b)])])
    assert lazy.calls[-1] == ("rglru_forward", (4, 9, 33))


def test_lazy_kernels_run_under_compile(rglru, lazy):
    op = lazy.op(rglru)
    a, b = inputs()
    close(mx.compile(mx.grad(loss(op), argnums=(0, 1)))(a, b), mx.grad(loss(rglru), argnums=(0, 1))(a, b))
    assert lazy.calls[-1][0] == "rglru_backward"


def test_vmap_over_an_input_without_a_batch_goes_one_by_one():
    mix = loader.load(MANIFEST, references={"mix": mix_reference})["mix"]
    lazy = Lazy(
        {
            "mix_product": lambda given, shapes: [given["scale"] * given["w"] * given["x"]],
            "mix_finish": lambda given, shapes: [given["values"], mx.zeros(shapes[1])],
            "mix_backward": lambda given, shapes: [
                given["grad_y"] * given["w"],
                given["grad_y"] * given["x"],
                *map(mx.zeros, shapes[2:]),
            ],
        }
    )
    x, w, op = mx.random.normal((2, 5, 4)), mx.random.normal((3, 4)), lazy.op(mix)
    close([mx.vmap(op, in_axes=(None, 0))(x, w)], [mx.stack([x * row for row in w])])
    assert [call[0] for call in lazy.calls[-6:]] == ["mix_product", "mix_finish"] * 3
    gradient = mx.vmap(mx.grad(loss(op), argnums=1), in_axes=(None, 0))(x, w)
    close([gradient], [mx.vmap(mx.grad(loss(mx.multiply), argnums=1), in_axes=(None, 0))(x, w)])
    assert [call[0] for call in lazy.calls[-3:]] == ["mix_backward"] * 3


def test_a_wrong_gradient_is_refused(rglru, lazy):
    lazy.kernels["rglru_backward"] = lambda given, shapes: [mx.zeros((1,))] * 3
    with pytest.raises(loader.ManifestError, match=r"\[rglru\] expected grad_a to have shape"):
        mx.grad(loss(lazy.op(rglru)))(*inputs())


def test_a_float_option_has_its_value_wherever_it_is_first_used():
    def of_scale(given, shapes):
        return [mx.ones(shape) * given.get("scale", 1.0) for shape in shapes]

    op = Lazy(defaultdict(lambda: of_scale)).op(loader.get("gla"))
    q, g = mx.ones((2, 3, 1, 4)), mx.ones((2, 3, 1))
    for scale, transform in ((0.25, lambda f: f), (0.375, mx.compile), (0.5, mx.vmap), (0.625, mx.checkpoint)):
        batch = (5,) if transform is mx.vmap else ()
        y = transform(lambda q, k, v, g, scale=scale: op(q, k, v, g, scale=scale))(
            *(mx.broadcast_to(x, (*batch, *x.shape)) for x in (q, q, q, g))
        )
        assert mx.all(y == scale), transform
