// header 58f177d5c6571aaf
template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_backward__float_float_float_float_32_8_8_1_1_float_float_float_float_bool_float_float_float_float_float_float_float_float(
  const device float* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device float* cos [[buffer(2)]],
  const device float* sin [[buffer(3)]],
  const device float* b [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  const device float* tile_state [[buffer(6)]],
  const device float* grad_y [[buffer(7)]],
  const device float* grad_final_state [[buffer(8)]],
  device float* grad_a [[buffer(9)]],
  device float* grad_cos [[buffer(10)]],
  device float* grad_sin [[buffer(11)]],
  device float* grad_b [[buffer(12)]],
  device float* grad_initial_state [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body a248e172b8e06d06
}

template [[host_name("custom_kernel_rotlru_backward__float_float_float_float_32_8_8_1_1_float_float_float_float_bool_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rotlru_backward__float_float_float_float_32_8_8_1_1_float_float_float_float_bool_float_float_float_float_float_float_float_float<float, float, float, float, 32, 8, 8, 1, 1>) custom_kernel_rotlru_backward__float_float_float_float_32_8_8_1_1_float_float_float_float_bool_float_float_float_float_float_float_float_float<float, float, float, float, 32, 8, 8, 1, 1>;
