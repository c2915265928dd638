// header 821e3f734ef071ec
template <typename U, typename Delta, typename TypeB, typename TypeC, typename TypeA, int LANES, int SLICES, int STATES, int STEPS, int TILE, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_ssd_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float(
  const device bfloat16_t* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device bfloat16_t* delta [[buffer(2)]],
  const device bfloat16_t* B [[buffer(3)]],
  const constant int* B_shape [[buffer(4)]],
  const device bfloat16_t* C [[buffer(5)]],
  const device bfloat16_t* A [[buffer(6)]],
  const device float* initial_state [[buffer(7)]],
  const device bool* reset [[buffer(8)]],
  device bfloat16_t* y [[buffer(9)]],
  device float* final_state [[buffer(10)]],
  device float* tile_state [[buffer(11)]],
  device float* carry [[buffer(12)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
  uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {
// body 46b7bdf0cc8c669d
}

template [[host_name("custom_kernel_ssd_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_ssd_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 4, 4, 8, 128, 1, 1, 1>) custom_kernel_ssd_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 4, 4, 8, 128, 1, 1, 1>;
