// header f813af53f1d19098
template <typename TQ, typename TV, typename TG, int Dk, int Dv, int H, int Hk, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_adjoints__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float(
  const device bfloat16_t* q [[buffer(0)]],
  const constant int* q_shape [[buffer(1)]],
  const device bfloat16_t* grad_o [[buffer(2)]],
  const device bfloat16_t* g [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const constant float* scale [[buffer(5)]],
  const device float* grad_final_state [[buffer(6)]],
  device float* chunk_adjoint [[buffer(7)]],
  device float* grad_initial_state [[buffer(8)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 86008f6f79250b7d
}

template [[host_name("custom_kernel_gla_adjoints__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float")]] [[kernel]] decltype(custom_kernel_gla_adjoints__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 1, 1>) custom_kernel_gla_adjoints__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 1, 1>;
