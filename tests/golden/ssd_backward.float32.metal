// header 3e98830eaa34c202
template <typename U, typename Delta, typename TypeB, typename TypeC, typename TypeA, int LANES, int SLICES, int STATES, int STEPS, int TILE, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_ssd_backward__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* B [[buffer(3)]],
  const constant int* B_shape [[buffer(4)]],
  const device float* C [[buffer(5)]],
  const device float* A [[buffer(6)]],
  const device bool* reset [[buffer(7)]],
  const device float* tile_state [[buffer(8)]],
  const device float* grad_y [[buffer(9)]],
  const device float* grad_final_state [[buffer(10)]],
  device float* grad_u [[buffer(11)]],
  device float* grad_initial_state [[buffer(12)]],
  device float* delta_parts [[buffer(13)]],
  device float* B_parts [[buffer(14)]],
  device float* C_parts [[buffer(15)]],
  device float* A_parts [[buffer(16)]],
  device float* carry [[buffer(17)]],
  device float* step_state [[buffer(18)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
  uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {
// body 38a82097171563cf
}

template [[host_name("custom_kernel_ssd_backward__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_ssd_backward__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, 32, 4, 4, 8, 128, 1, 1, 1>) custom_kernel_ssd_backward__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, 32, 4, 4, 8, 128, 1, 1, 1>;
