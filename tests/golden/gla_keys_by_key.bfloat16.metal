// header 92d8e1ad30ac3ebb
template <typename TQ, typename TK, typename TV, typename TG, typename GRAD_Q, typename GRAD_K, int Dk, int Dv, int H, int Hk, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_keys_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_float_33_20_4_2_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_bfloat16_t_float_float_bfloat16_t(
  const device bfloat16_t* q [[buffer(0)]],
  const device bfloat16_t* k [[buffer(1)]],
  const device bfloat16_t* v [[buffer(2)]],
  const constant int* v_shape [[buffer(3)]],
  const device bfloat16_t* g [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  const constant float* scale [[buffer(6)]],
  const device float* chunk_state [[buffer(7)]],
  const constant int* chunk_state_shape [[buffer(8)]],
  const device float* chunk_adjoint [[buffer(9)]],
  const device bfloat16_t* grad_o [[buffer(10)]],
  device float* grad_q_head [[buffer(11)]],
  device float* grad_k_head [[buffer(12)]],
  device bfloat16_t* grad_g [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 8af4a03acea9ed07
}

template [[host_name("custom_kernel_gla_keys_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_float_33_20_4_2_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_bfloat16_t_float_float_bfloat16_t")]] [[kernel]] decltype(custom_kernel_gla_keys_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_float_33_20_4_2_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_bfloat16_t_float_float_bfloat16_t<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, float, float, 33, 20, 4, 2, 1>) custom_kernel_gla_keys_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_float_33_20_4_2_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_bfloat16_t_float_float_bfloat16_t<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, float, float, 33, 20, 4, 2, 1>;
