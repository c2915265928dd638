// header e11c23e41792db6d
template <typename TQ, typename TK, typename TV, typename TG, typename TB, int Dk, int Dv, bool PER_KEY, int SIMDGROUPS, int VALUES, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_recurrent__float_float_float_float_float_33_20_0_4_4_1_1_float_float_float_float_float_float_boolc_floatc_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const constant int* k_shape [[buffer(2)]],
  const device float* v [[buffer(3)]],
  const constant int* v_shape [[buffer(4)]],
  const device float* g [[buffer(5)]],
  const device float* beta [[buffer(6)]],
  const device float* initial_state [[buffer(7)]],
  const constant bool* reset [[buffer(8)]],
  const constant float* scale [[buffer(9)]],
  device float* o [[buffer(10)]],
  device float* final_state [[buffer(11)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body dc4241d3a6d758a7
}

template [[host_name("custom_kernel_gated_delta_recurrent__float_float_float_float_float_33_20_0_4_4_1_1_float_float_float_float_float_float_boolc_floatc_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_recurrent__float_float_float_float_float_33_20_0_4_4_1_1_float_float_float_float_float_float_boolc_floatc_float_float<float, float, float, float, float, 33, 20, 0, 4, 4, 1, 1>) custom_kernel_gated_delta_recurrent__float_float_float_float_float_33_20_0_4_4_1_1_float_float_float_float_float_float_boolc_floatc_float_float<float, float, float, float, float, 33, 20, 0, 4, 4, 1, 1>;
