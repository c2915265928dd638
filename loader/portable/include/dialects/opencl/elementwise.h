// The functions of each element: of float as OpenCL has them, of half and bfloat in float, rounded once.
#pragma once

#include "bool_vector.h"
#include "limits.h"

#define MSL_INFINITY __builtin_inff()

namespace msl {
template <typename E>
constexpr constant float epsilon = (float)metal::numeric_limits<E>::epsilon();
template <typename E>
constexpr constant float smallest = (float)metal::numeric_limits<E>::min();
template <typename V>
METAL_FUNC float wide_dot(V x, V y) { return ::dot(x, y); }
template <typename V>
METAL_FUNC float wide_length(V x) { return ::length(x); }

template <int N>
struct truth_of {
  using type = metal::bool_vector<N>;
};
template <>
struct truth_of<1> {
  using type = bool;
};
template <typename T>
using truth = typename truth_of<shape<T>::size>::type;
}  // namespace msl

namespace metal {
#define MSL_WIDTHS_OF(M, T, ...) \
  M(T, __VA_ARGS__) M(T##2, __VA_ARGS__) M(T##3, __VA_ARGS__) M(T##4, __VA_ARGS__)
#define MSL_VECTORS_OF(M, T, ...) M(T##2, __VA_ARGS__) M(T##3, __VA_ARGS__) M(T##4, __VA_ARGS__)
#define MSL_OF_SMALL(M, ...) MSL_WIDTHS_OF(M, half, __VA_ARGS__) MSL_WIDTHS_OF(M, bfloat, __VA_ARGS__)
#define MSL_OF_FLOATS(M, ...) MSL_WIDTHS_OF(M, float, __VA_ARGS__) MSL_OF_SMALL(M, __VA_ARGS__)
#define MSL_OF_VECTORS(M, ...) \
  MSL_VECTORS_OF(M, float, __VA_ARGS__) MSL_VECTORS_OF(M, half, __VA_ARGS__) MSL_VECTORS_OF(M, bfloat, __VA_ARGS__)

// Every program reads these, so what is float already says no more than it must: it is the parameter itself.
#define MSL_PLAIN_1(T, name, ...) MSL_FN T name(T x) { return __VA_ARGS__; }
#define MSL_PLAIN_2(T, name, ...) MSL_FN T name(T x, T y) { return __VA_ARGS__; }
#define MSL_PLAIN_3(T, name, ...) MSL_FN T name(T x, T y, T z) { return __VA_ARGS__; }
#define MSL_NARROW_1(T, name) MSL_FN T name(T x) { return msl::to<msl::element<T>>(::name(msl::widen(x))); }
#define MSL_NARROW_2(T, name) \
  MSL_FN T name(T x, T y) { return msl::to<msl::element<T>>(::name(msl::widen(x), msl::widen(y))); }
#define MSL_NARROW_3(T, name) \
  MSL_FN T name(T x, T y, T z) { return msl::to<msl::element<T>>(::name(msl::widen(x), msl::widen(y), msl::widen(z))); }
#define MSL_NATIVE_1(name) MSL_WIDTHS_OF(MSL_PLAIN_1, float, name, ::name(x)) MSL_OF_SMALL(MSL_NARROW_1, name)
#define MSL_NATIVE_2(name) MSL_WIDTHS_OF(MSL_PLAIN_2, float, name, ::name(x, y)) MSL_OF_SMALL(MSL_NARROW_2, name)
#define MSL_NATIVE_3(name) MSL_WIDTHS_OF(MSL_PLAIN_3, float, name, ::name(x, y, z)) MSL_OF_SMALL(MSL_NARROW_3, name)
#define MSL_OPENCL_1(name, ...) MSL_NATIVE_1(name)
#define MSL_OPENCL_2(name, ...) MSL_NATIVE_2(name)
// Of functions that stand before, which know what becomes of half and bfloat.
#define MSL_COMPOSED_1(name, ...) MSL_OF_FLOATS(MSL_PLAIN_1, name, __VA_ARGS__)
#define MSL_COMPOSED_2(name, ...) MSL_OF_FLOATS(MSL_PLAIN_2, name, __VA_ARGS__)
#define MSL_COMPOSED_3(name, ...) MSL_OF_FLOATS(MSL_PLAIN_3, name, __VA_ARGS__)
#define MSL_NUMBER_3(name, ...) \
  template <typename T>         \
  METAL_FUNC T name(T x, T y, T z) { return __VA_ARGS__; }
#define MSL_TRUTH_1(T, name) MSL_FN msl::truth<T> name(T x) { return msl::truth<T>(::name(msl::widen(x))); }
#define MSL_TRUTH_2(T, name) \
  MSL_FN msl::truth<T> name(T x, T y) { return msl::truth<T>(::name(msl::widen(x), msl::widen(y))); }
#define MSL_TEST_1(name, ...) MSL_OF_FLOATS(MSL_TRUTH_1, name)
#define MSL_TEST_2(name, ...) MSL_OF_FLOATS(MSL_TRUTH_2, name)

// A function that makes its result of a formula of wide x, y and z.
#define MSL_BODY(T, made, wide, ...) \
  {                                  \
    using E = msl::element<T>;       \
    wide;                            \
    using X = decltype(x);           \
    return made(__VA_ARGS__);        \
  }
#define MSL_X auto x = msl::widen(a)
#define MSL_XY auto x = msl::widen(a), y = msl::widen(b)
#define MSL_XYZ auto x = msl::widen(a), y = msl::widen(b), z = msl::widen(c)
#define MSL_EACH_1(T, name, ...) MSL_FN T name(T a) MSL_BODY(T, msl::to<E>, MSL_X, __VA_ARGS__)
#define MSL_EACH_2(T, name, ...) MSL_FN T name(T a, T b) MSL_BODY(T, msl::to<E>, MSL_XY, __VA_ARGS__)
#define MSL_EACH_3(T, name, ...) MSL_FN T name(T a, T b, T c) MSL_BODY(T, msl::to<E>, MSL_XYZ, __VA_ARGS__)
#define MSL_FORMULA(T, name, ...) MSL_FN msl::truth<T> name(T a) MSL_BODY(T, msl::truth<T>, MSL_X, __VA_ARGS__)
#define MSL_SUM_1(T, name, ...) MSL_FN msl::element<T> name(T a) MSL_BODY(T, (E), MSL_X, __VA_ARGS__)
#define MSL_SUM_2(T, name, ...) MSL_FN msl::element<T> name(T a, T b) MSL_BODY(T, (E), MSL_XY, __VA_ARGS__)
#define MSL_FLOAT_1(name, ...) MSL_OF_FLOATS(MSL_EACH_1, name, __VA_ARGS__)
#define MSL_FLOAT_3(name, ...) MSL_OF_FLOATS(MSL_EACH_3, name, __VA_ARGS__)
#define MSL_FORMULA_TEST_1(name, ...) MSL_OF_FLOATS(MSL_FORMULA, name, __VA_ARGS__)
#define MSL_SCALAR_1(name, ...) MSL_OF_VECTORS(MSL_SUM_1, name, __VA_ARGS__)
#define MSL_SCALAR_2(name, ...) MSL_OF_VECTORS(MSL_SUM_2, name, __VA_ARGS__)
#define MSL_VECTOR_1(name, ...) MSL_OF_VECTORS(MSL_EACH_1, name, __VA_ARGS__)
#define MSL_VECTOR_2(name, ...) MSL_OF_VECTORS(MSL_EACH_2, name, __VA_ARGS__)
#define MSL_VECTOR_3(name, ...) MSL_OF_VECTORS(MSL_EACH_3, name, __VA_ARGS__)

// What stands as MSL_OWN in the list.
#define MSL_NEXTAFTER(T, ...) \
  MSL_FN T nextafter(T x, T y) { return ::nextafter(x, y); }
#define MSL_REFRACT(T, ...)                                                                    \
  MSL_FN T refract(T i, T n, msl::element<T> eta) {                                            \
    return msl::to<msl::element<T>>(msl::refracted(msl::widen(i), msl::widen(n), (float)eta)); \
  }
#define MSL_MODF(T, ...)                                                     \
  MSL_FN T modf(T x, T& whole) {                                             \
    auto wide = msl::widen(x), floor = ::trunc(wide);                        \
    auto part = ::select(wide - floor, (decltype(wide))0.0f, ::isinf(wide)); \
    whole = msl::to<msl::element<T>>(floor);                                 \
    return msl::to<msl::element<T>>(::copysign(part, wide));                 \
  }
#define MSL_SINCOS(T, ...)                                    \
  MSL_FN T sincos(T x, T& cosine) {                           \
    cosine = msl::to<msl::element<T>>(::cos(msl::widen(x)));  \
    return msl::to<msl::element<T>>(::sin(msl::widen(x)));    \
  }
#define MSL_FREXP(T, ...)                                           \
  MSL_FN T frexp(T x, msl::like<T, int>& exponent) {                \
    msl::like<T, int> e;                                            \
    T r = msl::to<msl::element<T>>(::frexp(msl::widen(x), &e));     \
    exponent = e;                                                   \
    return r;                                                       \
  }
#define MSL_LDEXP(T, ...) \
  MSL_FN T ldexp(T x, msl::like<T, int> k) { return msl::to<msl::element<T>>(::ldexp(msl::widen(x), k)); }
#define MSL_ILOGB(T, ...) \
  MSL_FN msl::like<T, int> ilogb(T x) { return ::ilogb(msl::widen(x)); }
#define MSL_OWN(name) MSL_OWN_##name
#define MSL_OWN_nextafter MSL_WIDTHS_OF(MSL_NEXTAFTER, float) MSL_WIDTHS_OF(MSL_NEXTAFTER, half)
#define MSL_OWN_modf MSL_OF_FLOATS(MSL_MODF)
#define MSL_OWN_sincos MSL_OF_FLOATS(MSL_SINCOS)
#define MSL_OWN_frexp MSL_OF_FLOATS(MSL_FREXP)
#define MSL_OWN_ldexp MSL_OF_FLOATS(MSL_LDEXP)
#define MSL_OWN_ilogb MSL_OF_FLOATS(MSL_ILOGB)
#define MSL_OWN_cross                      \
  MSL_EACH_2(float3, cross, ::cross(x, y)) \
  MSL_EACH_2(half3, cross, ::cross(x, y))  \
  MSL_EACH_2(bfloat3, cross, ::cross(x, y))
#define MSL_OWN_refract MSL_OF_VECTORS(MSL_REFRACT)
}  // namespace metal
#include "../../library/directions.h"
namespace metal {
// The lines of the list that a unit needs, or all of them.
#ifdef MSL_ELEMENTWISE
MSL_ELEMENTWISE
#else
#include "../../library/elementwise.h"
#endif

// One accuracy serves both: what precise promises.
namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}

METAL_FUNC bool any(bool x) { return x; }
METAL_FUNC bool all(bool x) { return x; }
template <int N>
METAL_FUNC bool any(bool_vector<N> v) {
  bool r = v[0];
  for (int i = 1; i < N; ++i) r |= v[i];
  return r;
}
template <int N>
METAL_FUNC bool all(bool_vector<N> v) {
  bool r = v[0];
  for (int i = 1; i < N; ++i) r &= v[i];
  return r;
}
template <typename T, int N>
METAL_FUNC bool any(vec<T, N> v) { return any(bool_vector<N>(v)); }
template <typename T, int N>
METAL_FUNC bool all(vec<T, N> v) { return all(bool_vector<N>(v)); }

template <typename T>
METAL_FUNC T select(T no, T yes, bool condition) { return condition ? yes : no; }
template <typename T, typename Condition, int N>
METAL_FUNC vec<T, N> select(vec<T, N> no, vec<T, N> yes, vec<Condition, N> condition) {
  for (int i = 0; i < N; ++i) no[i] = condition[i] ? yes[i] : no[i];
  return no;
}
template <typename T, int N>
METAL_FUNC vec<T, N> select(vec<T, N> no, vec<T, N> yes, bool_vector<N> condition) {
  for (int i = 0; i < N; ++i) no[i] = condition[i] ? yes[i] : no[i];
  return no;
}
}  // namespace metal
