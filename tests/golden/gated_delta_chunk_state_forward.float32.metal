// header 197f4601462bda0f
template <typename TK, typename TW, typename TU, int Dk, int Dv, int WIDE, bool HAS_H0>
[[kernel]] void custom_kernel_gated_delta_chunk_state_forward__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float(
  const device float* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device float* w [[buffer(2)]],
  const device float* u [[buffer(3)]],
  const constant int* u_shape [[buffer(4)]],
  const device float* g [[buffer(5)]],
  const device float* h0 [[buffer(6)]],
  device float* h_out [[buffer(7)]],
  device float* v_new [[buffer(8)]],
  device float* final [[buffer(9)]],
  device float* chunk_state [[buffer(10)]],
  device float* error [[buffer(11)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body a9baf6319b8085de
}

template [[host_name("custom_kernel_gated_delta_chunk_state_forward__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_chunk_state_forward__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>) custom_kernel_gated_delta_chunk_state_forward__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>;
