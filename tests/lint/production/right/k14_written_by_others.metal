// Threadgroup memory that helpers, atomics and matrices write, and that one branch writes for the other.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

struct Tile {
  threadgroup float* at;
  METAL_FUNC Tile(threadgroup float* at_) : at(at_) {}
  METAL_FUNC void load(const device float* x, uint t) {
    at[t] = x[t];
  }
};

#define FILL(to, t) to[t] = 0.5f

template <typename T, bool SCALED>
[[kernel]] void tiles(
    const device float* x [[buffer(0)]],
    device T* y [[buffer(1)]],
    threadgroup float* scratch [[threadgroup(0)]],
    uint t [[thread_index_in_threadgroup]]) {
  threadgroup float stored[64];
  threadgroup float filled[64];
  threadgroup float loaded[64];
  threadgroup float copied[64];
  threadgroup float4 vectors[16];
  threadgroup float scale[2];
  threadgroup uint histogram[8];
  threadgroup float stage[2][64];
  simdgroup_store(simdgroup_float8x8(1.0f), stored, 8);
  FILL(filled, t);
  Tile(loaded).load(x, t);
  threadgroup float* to = copied + t;
  *to = x[t];
  *((threadgroup float*)(vectors) + t) = x[t];
  atomic_store_explicit((threadgroup atomic_uint*)&histogram[t % 8], t, memory_order_relaxed);
  if constexpr (SCALED) {
    if (t < 2) scale[t] = x[t];
  }
  for (uint k = 0; k < 4; ++k) {
    if (k > 0) y[t] += T(stage[(k + 1) % 2][63 - t]);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    stage[k % 2][t] = x[k * 64 + t];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  (void)scratch;
  float sum = stored[t] + filled[t] + loaded[63 - t] + copied[63 - t] + vectors[t / 4].y + float(histogram[t % 8]);
  if constexpr (SCALED) {
    sum *= scale[0] + scale[1];
  }
  y[t] += T(sum);
}

template [[host_name("tiles")]] kernel void tiles<float, false>(
    const device float*, device float*, threadgroup float*, uint);
template [[host_name("tiles_scaled")]] kernel void tiles<half, true>(
    const device float*, device half*, threadgroup float*, uint);
