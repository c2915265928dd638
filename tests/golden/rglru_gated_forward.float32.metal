// header fa5cfdfbf91a6112
template <typename U, typename Delta, typename TypeA, int N, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_gated_forward__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* A [[buffer(3)]],
  const device float* initial_state [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  device float* y [[buffer(6)]],
  device float* final_state [[buffer(7)]],
  device float* tile_state [[buffer(8)]],
  device float* tile_rest [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 074df78fc6a63e07
}

template [[host_name("custom_kernel_rglru_gated_forward__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_gated_forward__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float<float, float, float, 16, 32, 16, 8, 1, 1, 1>) custom_kernel_rglru_gated_forward__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float<float, float, float, 16, 32, 16, 8, 1, 1, 1>;
