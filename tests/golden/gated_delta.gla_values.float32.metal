// header d6a6f12d6a03ad61
template <typename TQ, typename TK, typename TV, typename TG, typename TR, typename TO, int Dk, int Dv, int H, int Hk, bool REVERSE, bool RATED, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_values__float_float_float_float_float_float_33_20_4_2_0_1_1_float_float_float_float_float_bool_floatc_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const device float* values [[buffer(2)]],
  const constant int* values_shape [[buffer(3)]],
  const device float* g [[buffer(4)]],
  const device float* rates [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  const constant float* scale [[buffer(7)]],
  const device float* chunk_state [[buffer(8)]],
  const constant int* chunk_state_shape [[buffer(9)]],
  device float* mixed [[buffer(10)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body d8776c10f7d2d6f0
}

template [[host_name("custom_kernel_gla_values__float_float_float_float_float_float_33_20_4_2_0_1_1_float_float_float_float_float_bool_floatc_float_float")]] [[kernel]] decltype(custom_kernel_gla_values__float_float_float_float_float_float_33_20_4_2_0_1_1_float_float_float_float_float_bool_floatc_float_float<float, float, float, float, float, float, 33, 20, 4, 2, 0, 1, 1>) custom_kernel_gla_values__float_float_float_float_float_float_33_20_4_2_0_1_1_float_float_float_float_float_bool_floatc_float_float<float, float, float, float, float, float, 33, 20, 4, 2, 0, 1, 1>;
