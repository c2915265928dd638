// header 84d49f70b2e813fb
template <typename TQ, typename TK, typename TV, typename TG, typename TR, typename TO, int Dk, int Dv, int H, int Hk, bool REVERSE, bool RATED, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_values_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t(
  const device bfloat16_t* q [[buffer(0)]],
  const device bfloat16_t* k [[buffer(1)]],
  const device bfloat16_t* values [[buffer(2)]],
  const constant int* values_shape [[buffer(3)]],
  const device bfloat16_t* g [[buffer(4)]],
  const device bfloat16_t* rates [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  const constant float* scale [[buffer(7)]],
  const device float* chunk_state [[buffer(8)]],
  const constant int* chunk_state_shape [[buffer(9)]],
  device bfloat16_t* mixed [[buffer(10)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body dbadb28ca79c00a2
}

template [[host_name("custom_kernel_gla_values_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t")]] [[kernel]] decltype(custom_kernel_gla_values_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 0, 1>) custom_kernel_gla_values_by_key__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_0_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_bfloat16_t<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 0, 1>;
