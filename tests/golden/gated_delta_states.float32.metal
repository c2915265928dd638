// header ac9ef72e451f0c55
template <typename TW, typename TV, typename TB, int Dk, int Dv, int H, int WIDE, int TALL, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_states__float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_float_float_float(
  const device float* inverse [[buffer(0)]],
  const device float* keys [[buffer(1)]],
  const device float* upto [[buffer(2)]],
  const device float* rates [[buffer(3)]],
  const device float* decay [[buffer(4)]],
  const device float* v [[buffer(5)]],
  const constant int* v_shape [[buffer(6)]],
  const device float* beta [[buffer(7)]],
  const device float* initial_state [[buffer(8)]],
  const device bool* reset [[buffer(9)]],
  device float* chunk_state [[buffer(10)]],
  device float* error [[buffer(11)]],
  device float* final_state [[buffer(12)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 961cc26a420f367e
}

template [[host_name("custom_kernel_gated_delta_states__float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_states__float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_float_float_float<float, float, float, 33, 20, 4, 2, 4, 0, 1, 1>) custom_kernel_gated_delta_states__float_float_float_33_20_4_2_4_0_1_1_float_float_float_float_float_float_float_float_bool_float_float_float<float, float, float, 33, 20, 4, 2, 4, 0, 1, 1>;
