// What MLX puts before every custom kernel: its complex numbers, limits, indexing and a few functions.
#pragma once

#include "metal_stdlib"

using namespace metal;

#include "../../library/mlx.h"

float log1p(float x);
bfloat16_t log1p(bfloat16_t x);
template <typename T>
complex_t<T> log1p(complex_t<T> z);
float erf(float x);
float erfinv(float x);
float expm1f(float x);
uint64_t simd_shuffle_down(uint64_t x, uint16_t delta);
int64_t simd_shuffle_down(int64_t x, uint16_t delta);
bool simd_shuffle_down(bool x, uint16_t delta);
complex64_t simd_shuffle_down(complex64_t x, uint16_t delta);
uint64_t simd_shuffle_up(uint64_t x, uint16_t delta);
int64_t simd_shuffle_up(int64_t x, uint16_t delta);
bool simd_shuffle_up(bool x, uint16_t delta);
