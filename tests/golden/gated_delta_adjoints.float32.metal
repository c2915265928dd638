// header 5f4bc482c757b72b
template <typename TWQ, typename TWK, typename TV, typename TB, int Dk, int Dv, int H, int WIDE, int TALL, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_adjoints__float_float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_floatc_float_float_float_float_float_float(
  const device float* inverse [[buffer(0)]],
  const device float* mixes [[buffer(1)]],
  const device float* queries [[buffer(2)]],
  const device float* keys [[buffer(3)]],
  const device float* upto [[buffer(4)]],
  const device float* after [[buffer(5)]],
  const device float* decay [[buffer(6)]],
  const device float* beta [[buffer(7)]],
  const device bool* reset [[buffer(8)]],
  const constant float* scale [[buffer(9)]],
  const device float* grad_o [[buffer(10)]],
  const constant int* grad_o_shape [[buffer(11)]],
  const device float* grad_final_state [[buffer(12)]],
  device float* chunk_adjoint [[buffer(13)]],
  device float* grad_update [[buffer(14)]],
  device float* grad_v [[buffer(15)]],
  device float* grad_initial_state [[buffer(16)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 2336ac7a8f0550f6
}

template [[host_name("custom_kernel_gated_delta_adjoints__float_float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_floatc_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_adjoints__float_float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_floatc_float_float_float_float_float_float<float, float, float, float, 33, 20, 4, 2, 4, 0, 1, 1>) custom_kernel_gated_delta_adjoints__float_float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_floatc_float_float_float_float_float_float<float, float, float, float, 33, 20, 4, 2, 4, 0, 1, 1>;
