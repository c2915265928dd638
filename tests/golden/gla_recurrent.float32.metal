// header 6e561d01d653f4d9
template <typename TQ, typename TK, typename TV, typename TG, int Dk, int Dv, bool PER_KEY, int LANES, int SLICES, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_recurrent__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const constant int* k_shape [[buffer(2)]],
  const device float* v [[buffer(3)]],
  const constant int* v_shape [[buffer(4)]],
  const device float* g [[buffer(5)]],
  const device float* initial_state [[buffer(6)]],
  const constant bool* reset [[buffer(7)]],
  const constant float* scale [[buffer(8)]],
  device float* o [[buffer(9)]],
  device float* final_state [[buffer(10)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body baf85cef74ae2ec0
}

template [[host_name("custom_kernel_gla_recurrent__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float")]] [[kernel]] decltype(custom_kernel_gla_recurrent__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float<float, float, float, float, 33, 20, 0, 32, 8, 1, 1>) custom_kernel_gla_recurrent__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float<float, float, float, float, 33, 20, 0, 32, 8, 1, 1>;
