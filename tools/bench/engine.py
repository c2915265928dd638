"""Times of the engine itself: a small call, and matrix multiplication on simdgroup_matrix beside NumPy's.

python -m tools.bench.engine
"""

import time

import mlx.core as mx
import numpy as np

import loader

SIZE = 512
ADD = "uint i = thread_position_in_grid.x; y[i] = a[i] + b[i];"
# One simdgroup computes R x C tiles of 8 x 8.
MATMUL = """
    simdgroup_matrix<T, 8, 8> left[R], right[C];
    simdgroup_matrix<float, 8, 8> sum[R][C];
    const uint row = threadgroup_position_in_grid.y * 8 * R, column = threadgroup_position_in_grid.x * 8 * C;
    #pragma unroll
    for (uint r = 0; r < R; ++r)
      #pragma unroll
      for (uint c = 0; c < C; ++c) sum[r][c] = simdgroup_matrix<float, 8, 8>(0.0f);
    for (uint k = 0; k < N; k += 8) {
      #pragma unroll
      for (uint r = 0; r < R; ++r) simdgroup_load(left[r], a + (row + 8 * r) * N + k, N);
      #pragma unroll
      for (uint c = 0; c < C; ++c) simdgroup_load(right[c], b + k * N + column + 8 * c, N);
      #pragma unroll
      for (uint r = 0; r < R; ++r)
        #pragma unroll
        for (uint c = 0; c < C; ++c) simdgroup_multiply_accumulate(sum[r][c], left[r], right[c], sum[r][c]);
    }
    #pragma unroll
    for (uint r = 0; r < R; ++r)
      #pragma unroll
      for (uint c = 0; c < C; ++c) simdgroup_store(sum[r][c], y + (row + 8 * r) * N + column + 8 * c, N);
"""


def main():
    print(f"backend: {loader.backend()}")
    print(f"a small call: {1e6 * call():.0f} us")
    ours, numpy = matmul()
    print(f"simdgroup_matrix {SIZE}^3 float: {ours:.0f} GFLOP/s, NumPy {numpy:.0f} in turns, ratio {ours / numpy:.2f}")


def call(count=2000):
    """Seconds of one call with two inputs of 64 elements, the best of a few rounds."""
    kernel = loader.metal_kernel("add", ["a", "b"], ["y"], ADD)
    a = mx.ones((64,))

    def run():
        y = kernel(
            inputs=[a, a],
            output_shapes=[(64,)],
            output_dtypes=[mx.float32],
            grid=(64, 1, 1),
            threadgroup=(64, 1, 1),
        )
        mx.eval(y)

    return min(_seconds(lambda: [run() for _ in range(count // 10)]) for _ in range(10)) / (count // 10)


def matmul(rounds=20, tiles=(4, 4)):
    """GFLOP/s of a simdgroup_matrix product and of NumPy's, checked against each other, taking turns."""
    kernel = loader.metal_kernel("matmul", ["a", "b"], ["y"], MATMUL)
    a, b = (mx.random.normal((SIZE, SIZE)) for _ in range(2))
    mx.eval(a, b)
    rows, columns = tiles

    def ours():
        (y,) = kernel(
            inputs=[a, b],
            output_shapes=[(SIZE, SIZE)],
            output_dtypes=[mx.float32],
            grid=(32 * SIZE // (8 * columns), SIZE // (8 * rows), 1),
            threadgroup=(32, 1, 1),
            template=[("T", mx.float32), ("N", SIZE), ("R", rows), ("C", columns)],
        )
        mx.eval(y)
        return y

    left, right = np.array(a), np.array(b)
    np.testing.assert_allclose(np.array(ours()), left @ right, rtol=1e-3, atol=1e-3)
    times = [(_seconds(ours), _seconds(lambda: left @ right)) for _ in range(rounds)]
    return tuple(2 * SIZE**3 / min(t) / 1e9 for t in zip(*times))


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
