// header f4c96d40366fbc75
template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_forward__bfloat16_t_bfloat16_t_32_16_8_1_1_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float(
  const device bfloat16_t* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device bfloat16_t* b [[buffer(2)]],
  const device float* initial_state [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  device bfloat16_t* y [[buffer(5)]],
  device float* final_state [[buffer(6)]],
  device float* tile_state [[buffer(7)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body e9302b4ad8758cda
}

template [[host_name("custom_kernel_rglru_forward__bfloat16_t_bfloat16_t_32_16_8_1_1_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_rglru_forward__bfloat16_t_bfloat16_t_32_16_8_1_1_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, 32, 16, 8, 1, 1>) custom_kernel_rglru_forward__bfloat16_t_bfloat16_t_32_16_8_1_1_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, 32, 16, 8, 1, 1>;
