"""New implementations of the examples on MLX's page about custom Metal kernels, against MLX's operations."""

import mlx.core as mx
import numpy as np
import pytest

import loader

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")
TOLERANCES = {mx.float32: 1e-5, mx.float16: 2e-3, mx.bfloat16: 1e-2}
each_dtype = pytest.mark.parametrize("dtype", TOLERANCES, ids=lambda dtype: str(dtype).split(".")[-1])

EXP = """
uint i = thread_position_in_grid.x;
y[i] = metal::exp(x[i]);
"""
# MLX's elem_to_loc computes in the type of its first argument: an uint would wrap where a stride is negative.
STRIDED_EXP = """
int i = thread_position_in_grid.x;
y[i] = metal::exp(x[elem_to_loc(i, x_shape, x_strides, x_ndim)]);
"""

# A sample's four texels, their weights, and which of them lie inside of the image.
CORNERS = """
struct Corners {
  int row, column;
  float down, right;

  Corners(float x, float y, int height, int width) {
    float across = ((x + 1) * width - 1) / 2, along = ((y + 1) * height - 1) / 2;
    column = int(metal::floor(across));
    row = int(metal::floor(along));
    right = across - column;
    down = along - row;
  }
};

inline bool inside(int row, int column, int height, int width) {
  return row >= 0 && row < height && column >= 0 && column < width;
}
"""
# A thread a channel of a sample. Both passes go over the four texels alike.
SAMPLE = """
int height = image_shape[1], width = image_shape[2], channels = image_shape[3];
int samples = grid_shape[1] * grid_shape[2];
int i = thread_position_in_grid.x, sample = i / channels, channel = i % channels;
int first = sample / samples * height * width * channels + channel;
Corners at(grid[2 * sample], grid[2 * sample + 1], height, width);
"""
FORWARD = (
    SAMPLE
    + """
float sum = 0;
for (int k = 0; k < 4; ++k) {
  int row = at.row + k / 2, column = at.column + k % 2;
  float weight = (k / 2 ? at.down : 1 - at.down) * (k % 2 ? at.right : 1 - at.right);
  if (inside(row, column, height, width)) sum += weight * image[first + (row * width + column) * channels];
}
y[i] = T(sum);
"""
)
# Several samples share a texel, and the channels of one sample its position: atomics add them up, for the
# position after the simdgroup did. That needs a multiple of 32 channels.
BACKWARD = (
    SAMPLE
    + """
float cotangent = grad_y[i], across = 0, along = 0;
for (int k = 0; k < 4; ++k) {
  int row = at.row + k / 2, column = at.column + k % 2;
  float down = k / 2 ? at.down : 1 - at.down, right = k % 2 ? at.right : 1 - at.right;
  if (inside(row, column, height, width)) {
    int texel = first + (row * width + column) * channels;
    atomic_fetch_add_explicit(&grad_image[texel], down * right * cotangent, memory_order_relaxed);
    across += (k % 2 ? down : -down) * image[texel] * cotangent;
    along += (k / 2 ? right : -right) * image[texel] * cotangent;
  }
}
across = simd_sum(across);
along = simd_sum(along);
if (thread_index_in_simdgroup == 0) {
  atomic_fetch_add_explicit(&grad_grid[2 * sample], across * width / 2, memory_order_relaxed);
  atomic_fetch_add_explicit(&grad_grid[2 * sample + 1], along * height / 2, memory_order_relaxed);
}
"""
)


def call(kernel, inputs, shapes, dtypes, threads, **options):
    return kernel(
        inputs=inputs,
        output_shapes=shapes,
        output_dtypes=dtypes,
        grid=(threads, 1, 1),
        threadgroup=(256, 1, 1),
        **options,
    )


def assert_close(got, want, tolerance):
    got, want = (np.array(x.astype(mx.float32)) for x in (got, want))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@each_dtype
def test_exp(dtype):
    x = mx.random.normal((4, 16), key=mx.random.key(0)).astype(dtype)
    kernel = loader.metal_kernel("my_exp", ["x"], ["y"], EXP)
    (y,) = call(kernel, [x], [x.shape], [dtype], x.size)
    assert_close(y, mx.exp(x), TOLERANCES[dtype])


VIEWS = {
    "contiguous": lambda x: x,
    "every second row": lambda x: x[::2],
    "transposed": lambda x: x.transpose(2, 0, 1),
    "backwards": lambda x: x[:, ::-1],
    "broadcast": lambda x: mx.broadcast_to(x[:, :1], x.shape),
}


@each_dtype
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_exp_of_a_view(dtype, view):
    x = view(mx.random.normal((6, 5, 4), key=mx.random.key(0)).astype(dtype))
    kernel = loader.metal_kernel("my_strided_exp", ["x"], ["y"], STRIDED_EXP, ensure_row_contiguous=False)
    (y,) = call(kernel, [x], [x.shape], [dtype], x.size)
    assert_close(y, mx.exp(x), TOLERANCES[dtype])


def reference(image, grid):
    """Bilinear samples of an image [B, H, W, C] at grid [B, M, N, 2], from -1 to 1, zero outside: [B, M, N, C]."""
    batch, height, width, channels = image.shape
    across, along = ((grid[..., 0] + 1) * width - 1) / 2, ((grid[..., 1] + 1) * height - 1) / 2
    column, row = mx.stop_gradient(mx.floor(across)), mx.stop_gradient(mx.floor(along))
    right, down = across - column, along - row
    b = mx.arange(batch)[:, None, None]
    y = 0
    for k in range(4):
        c, r = column.astype(mx.int32) + k % 2, row.astype(mx.int32) + k // 2
        inside = (c >= 0) & (c < width) & (r >= 0) & (r < height)
        weight = (down if k // 2 else 1 - down) * (right if k % 2 else 1 - right) * inside
        texels = image[b, mx.clip(r, 0, height - 1), mx.clip(c, 0, width - 1)]
        y += weight[..., None] * texels
    return y


@mx.custom_function
def grid_sample(image, grid):
    kernel = loader.metal_kernel("grid_sample", ["image", "grid"], ["y"], FORWARD, CORNERS)
    shape = (*grid.shape[:3], image.shape[-1])
    threads = grid.size // 2 * image.shape[-1]
    return call(kernel, [image, grid], [shape], [image.dtype], threads, template=[("T", image.dtype)])[0]


@grid_sample.vjp
def grid_sample_vjp(primals, cotangent, _):
    names = ["grad_image", "grad_grid"]
    inputs = ["image", "grid", "grad_y"]
    kernel = loader.metal_kernel("grid_sample_grad", inputs, names, BACKWARD, CORNERS, atomic_outputs=True)
    shapes = [x.shape for x in primals]
    return call(kernel, [*primals, cotangent], shapes, [mx.float32] * 2, cotangent.size, init_value=0)


@pytest.fixture
def sampled():
    """An image, and positions of which some lie outside of it."""
    keys = mx.random.split(mx.random.key(0), 2)
    return mx.random.normal((2, 9, 12, 32), key=keys[0]), mx.random.uniform(-1.2, 1.2, (2, 7, 5, 2), key=keys[1])


@each_dtype
def test_grid_sample(sampled, dtype):
    image, grid = sampled[0].astype(dtype), sampled[1]
    assert_close(grid_sample(image, grid), reference(image.astype(mx.float32), grid), TOLERANCES[dtype])


def test_grid_sample_gradients(sampled):
    cotangent = mx.random.normal((2, 7, 5, 32), key=mx.random.key(1))
    (y,), gradients = mx.vjp(grid_sample, sampled, [cotangent])
    (want,), wanted = mx.vjp(reference, sampled, [cotangent])
    assert_close(y, want, 1e-5)
    for got, want in zip(gradients, wanted):
        assert_close(got, want, 1e-4)
