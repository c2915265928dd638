// header ef4ba6375c846ea8
template <typename TK, typename TV, typename TG, int Dk, int Dv, int H, int Hk, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_states__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float(
  const device bfloat16_t* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device bfloat16_t* v [[buffer(2)]],
  const device bfloat16_t* g [[buffer(3)]],
  const device float* initial_state [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  device float* chunk_state [[buffer(6)]],
  device float* final_state [[buffer(7)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body dc681b34c3887295
}

template [[host_name("custom_kernel_gla_states__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float")]] [[kernel]] decltype(custom_kernel_gla_states__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 1, 1>) custom_kernel_gla_states__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 1, 1>;
