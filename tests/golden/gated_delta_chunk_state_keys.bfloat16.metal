// header f1e84b0a1c1005ff
template <typename TK, typename TW, int Dk, int Dv>
[[kernel]] void custom_kernel_gated_delta_chunk_state_keys__bfloat16_t_bfloat16_t_33_20_bfloat16_t_float_float_float_float_float_float_bfloat16_t_float(
  const device bfloat16_t* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device float* g [[buffer(2)]],
  const device float* chunk_state [[buffer(3)]],
  const device float* chunk_adjoint [[buffer(4)]],
  const device float* error [[buffer(5)]],
  const constant int* error_shape [[buffer(6)]],
  const device float* grad_update [[buffer(7)]],
  device float* grad_k_head [[buffer(8)]],
  device bfloat16_t* grad_w [[buffer(9)]],
  device float* grad_g [[buffer(10)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 94e807f07811735d
}

template [[host_name("custom_kernel_gated_delta_chunk_state_keys__bfloat16_t_bfloat16_t_33_20_bfloat16_t_float_float_float_float_float_float_bfloat16_t_float")]] [[kernel]] decltype(custom_kernel_gated_delta_chunk_state_keys__bfloat16_t_bfloat16_t_33_20_bfloat16_t_float_float_float_float_float_float_bfloat16_t_float<bfloat16_t, bfloat16_t, 33, 20>) custom_kernel_gated_delta_chunk_state_keys__bfloat16_t_bfloat16_t_33_20_bfloat16_t_float_float_float_float_float_float_bfloat16_t_float<bfloat16_t, bfloat16_t, 33, 20>;
