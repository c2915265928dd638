// header 69063ee017cda9e4
template <typename TQ, typename TK, typename TG, typename TWQ, typename TWK, int Dk, int H, int Hk, bool PER_KEY, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_prepare_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t_bfloat16_t_float_float(
  const device bfloat16_t* q [[buffer(0)]],
  const device bfloat16_t* k [[buffer(1)]],
  const constant int* k_shape [[buffer(2)]],
  const device bfloat16_t* g [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const constant float* scale [[buffer(5)]],
  device float* mixes [[buffer(6)]],
  device bfloat16_t* queries [[buffer(7)]],
  device bfloat16_t* keys [[buffer(8)]],
  device float* upto [[buffer(9)]],
  device float* after [[buffer(10)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 896fd13092bbeeb5
}

template [[host_name("custom_kernel_gated_delta_prepare_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_prepare_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 4, 2, 0, 1>) custom_kernel_gated_delta_prepare_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 4, 2, 0, 1>;
