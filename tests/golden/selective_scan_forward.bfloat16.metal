// header fdd534eb684c80a2
template <typename U, typename Delta, typename TypeA, typename TypeB, typename TypeC, typename TypeD, typename Z, typename Bias, int LANES, int SLICES, int STEPS, bool SOFTPLUS, bool HAS_D, bool HAS_Z, bool HAS_DELTA_BIAS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_selective_scan_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float(
  const device bfloat16_t* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device bfloat16_t* delta [[buffer(2)]],
  const device bfloat16_t* A [[buffer(3)]],
  const device bfloat16_t* B [[buffer(4)]],
  const constant int* B_shape [[buffer(5)]],
  const device bfloat16_t* C [[buffer(6)]],
  const device bfloat16_t* D [[buffer(7)]],
  const device bfloat16_t* z [[buffer(8)]],
  const device bfloat16_t* delta_bias [[buffer(9)]],
  const device float* initial_state [[buffer(10)]],
  const device bool* reset [[buffer(11)]],
  device bfloat16_t* y [[buffer(12)]],
  device float* final_state [[buffer(13)]],
  device float* tile_state [[buffer(14)]],
  device float* tile_rest [[buffer(15)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body c91049036509afee
}

template [[host_name("custom_kernel_selective_scan_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_selective_scan_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 16, 8, 0, 1, 1, 1, 1, 1>) custom_kernel_selective_scan_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 16, 8, 0, 1, 1, 1, 1, 1>;
