// header 960bb97399ff6723
template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_forward__float_float_float_float_32_8_8_1_1_float_float_float_float_float_bool_float_float_float(
  const device float* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device float* cos [[buffer(2)]],
  const device float* sin [[buffer(3)]],
  const device float* b [[buffer(4)]],
  const device float* initial_state [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  device float* y [[buffer(7)]],
  device float* final_state [[buffer(8)]],
  device float* tile_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body df60dbca4202368b
}

template [[host_name("custom_kernel_rotlru_forward__float_float_float_float_32_8_8_1_1_float_float_float_float_float_bool_float_float_float")]] [[kernel]] decltype(custom_kernel_rotlru_forward__float_float_float_float_32_8_8_1_1_float_float_float_float_float_bool_float_float_float<float, float, float, float, 32, 8, 8, 1, 1>) custom_kernel_rotlru_forward__float_float_float_float_32_8_8_1_1_float_float_float_float_float_bool_float_float_float<float, float, float, float, 32, 8, 8, 1, 1>;
