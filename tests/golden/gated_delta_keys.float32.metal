// header c864a35d9c318bfd
template <typename TQ, typename TK, typename TV, typename TG, typename TB, typename GRAD_Q, typename GRAD_K, int Dk, int Dv, int H, int Hk, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_keys__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const device float* g [[buffer(2)]],
  const device float* beta [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const constant float* scale [[buffer(5)]],
  const device float* chunk_state [[buffer(6)]],
  const constant int* chunk_state_shape [[buffer(7)]],
  const device float* chunk_adjoint [[buffer(8)]],
  const device float* error [[buffer(9)]],
  const device float* grad_update [[buffer(10)]],
  const device float* grad_o [[buffer(11)]],
  const constant int* grad_o_shape [[buffer(12)]],
  device float* grad_q_head [[buffer(13)]],
  device float* grad_k_head [[buffer(14)]],
  device float* grad_g [[buffer(15)]],
  device float* grad_beta [[buffer(16)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body a2e71780434ffceb
}

template [[host_name("custom_kernel_gated_delta_keys__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_keys__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float<float, float, float, float, float, float, float, 33, 20, 4, 2, 1>) custom_kernel_gated_delta_keys__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float<float, float, float, float, float, float, float, 33, 20, 4, 2, 1>;
