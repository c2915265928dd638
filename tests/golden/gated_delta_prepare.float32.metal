// header b14257e57b924397
template <typename TK, typename TG, typename TB, typename TW, int Dk, int H, int Hk, bool PER_KEY, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_prepare__float_float_float_float_33_4_2_0_1_float_float_float_bool_float_float_float_float_float(
  const device float* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device float* g [[buffer(2)]],
  const device float* beta [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  device float* inverse [[buffer(5)]],
  device float* keys [[buffer(6)]],
  device float* upto [[buffer(7)]],
  device float* rates [[buffer(8)]],
  device float* decay [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 28bd25e95d486762
}

template [[host_name("custom_kernel_gated_delta_prepare__float_float_float_float_33_4_2_0_1_float_float_float_bool_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_prepare__float_float_float_float_33_4_2_0_1_float_float_float_bool_float_float_float_float_float<float, float, float, float, 33, 4, 2, 0, 1>) custom_kernel_gated_delta_prepare__float_float_float_float_33_4_2_0_1_float_float_float_bool_float_float_float_float_float<float, float, float, float, 33, 4, 2, 0, 1>;
