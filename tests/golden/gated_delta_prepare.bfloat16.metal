// header b14257e57b924397
template <typename TK, typename TG, typename TB, typename TW, int Dk, int H, int Hk, bool PER_KEY, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_prepare__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_float_float(
  const device bfloat16_t* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device bfloat16_t* g [[buffer(2)]],
  const device bfloat16_t* beta [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  device float* inverse [[buffer(5)]],
  device bfloat16_t* keys [[buffer(6)]],
  device float* upto [[buffer(7)]],
  device float* rates [[buffer(8)]],
  device float* decay [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 28bd25e95d486762
}

template [[host_name("custom_kernel_gated_delta_prepare__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_prepare__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 4, 2, 0, 1>) custom_kernel_gated_delta_prepare__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_4_2_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 4, 2, 0, 1>;
