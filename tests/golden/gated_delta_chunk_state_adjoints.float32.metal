// header 5014439e83604496
template <typename TK, typename TW, typename TU, int Dk, int Dv, int WIDE, bool HAS_H0>
[[kernel]] void custom_kernel_gated_delta_chunk_state_adjoints__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float(
  const device float* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device float* w [[buffer(2)]],
  const device float* g [[buffer(3)]],
  const constant int* g_shape [[buffer(4)]],
  const device float* grad_h_out [[buffer(5)]],
  const device float* grad_v_new [[buffer(6)]],
  const device float* grad_final [[buffer(7)]],
  device float* chunk_adjoint [[buffer(8)]],
  device float* grad_update [[buffer(9)]],
  device float* grad_u [[buffer(10)]],
  device float* grad_h0 [[buffer(11)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 83cde9d61576a6b7
}

template [[host_name("custom_kernel_gated_delta_chunk_state_adjoints__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_chunk_state_adjoints__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>) custom_kernel_gated_delta_chunk_state_adjoints__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>;
