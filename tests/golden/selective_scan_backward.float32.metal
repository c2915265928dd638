// header 54ce51e02ecfa5c2
template <typename U, typename Delta, typename TypeA, typename TypeB, typename TypeC, typename TypeD, typename Z, typename Bias, int LANES, int SLICES, int STEPS, bool SOFTPLUS, bool HAS_D, bool HAS_Z, bool HAS_DELTA_BIAS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_selective_scan_backward__float_float_float_float_float_float_float_float_32_16_8_0_1_1_1_1_1_float_float_float_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* A [[buffer(3)]],
  const device float* B [[buffer(4)]],
  const constant int* B_shape [[buffer(5)]],
  const device float* C [[buffer(6)]],
  const device float* D [[buffer(7)]],
  const device float* z [[buffer(8)]],
  const device float* delta_bias [[buffer(9)]],
  const device bool* reset [[buffer(10)]],
  const device float* tile_state [[buffer(11)]],
  const device float* grad_y [[buffer(12)]],
  const device float* grad_final_state [[buffer(13)]],
  device float* grad_u [[buffer(14)]],
  device float* grad_delta [[buffer(15)]],
  device float* grad_z [[buffer(16)]],
  device float* grad_initial_state [[buffer(17)]],
  device float* A_parts [[buffer(18)]],
  device float* B_parts [[buffer(19)]],
  device float* C_parts [[buffer(20)]],
  device float* D_parts [[buffer(21)]],
  device float* bias_parts [[buffer(22)]],
  device float* carry [[buffer(23)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 78b169d2c3945c42
}

template [[host_name("custom_kernel_selective_scan_backward__float_float_float_float_float_float_float_float_32_16_8_0_1_1_1_1_1_float_float_float_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_selective_scan_backward__float_float_float_float_float_float_float_float_32_16_8_0_1_1_1_1_1_float_float_float_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, float, float, float, 32, 16, 8, 0, 1, 1, 1, 1, 1>) custom_kernel_selective_scan_backward__float_float_float_float_float_float_float_float_32_16_8_0_1_1_1_1_1_float_float_float_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, float, float, float, 32, 16, 8, 0, 1, 1, 1, 1, 1>;
