// Vectors and packed vectors: elements by index, by letter and by swizzle, with Metal's constructors.
#pragma once

#include "scalar.h"

// MSL_SWIZZLES(M), which the unit defines, is M(xy, 0, 1) and so on for the swizzles that the kernel uses.

namespace metal {
template <typename T, int N>
struct vec;
template <typename T, int N>
struct packed;
}  // namespace metal

namespace msl {
// Lies over the elements of a vector; worth the elements I of it.
template <typename T, int N, int... I>
struct swizzle {
  T data[N];

  using vector = metal::vec<T, sizeof...(I)>;
  vector value() const { return vector(data[I]...); }
  operator vector() const { return value(); }
  template <typename U, int M, typename = enable_if<(M > 1 && M == sizeof...(I))>>
  explicit operator metal::vec<U, M>() const { return metal::vec<U, M>(value()); }
  swizzle& operator=(const swizzle& v) { return *this = v.value(); }
  // No template: beside a copy assignment NVRTC 13.5 ends on one.
  swizzle& operator=(const vector& v) {
    const vector x = v;
    int k = 0;
    ((data[I] = x[k++]), ...);
    return *this;
  }
  template <typename V>
  swizzle& operator+=(const V& v) { return *this = vector(value() + v); }
  template <typename V>
  swizzle& operator-=(const V& v) { return *this = vector(value() - v); }
  template <typename V>
  swizzle& operator*=(const V& v) { return *this = vector(value() * v); }
  template <typename V>
  swizzle& operator/=(const V& v) { return *this = vector(value() / v); }
};

template <typename T, int N>
struct fields;
#define MSL_SWIZZLE(name, ...) swizzle<T, N, __VA_ARGS__> name;
#define MSL_FIELDS(size, letters, colours) \
  template <typename T>                    \
  struct fields<T, size> {                 \
    static constexpr int N = size;         \
    union {                                \
      T data[size];                        \
      struct {                             \
        T letters;                         \
      };                                   \
      struct {                             \
        T colours;                         \
      };                                   \
      MSL_SWIZZLES(MSL_SWIZZLE)            \
    };                                     \
    fields() = default;                    \
    fields(const fields&) = default;       \
    fields& operator=(const fields& v) {   \
      _Pragma("unroll")                    \
      for (int i = 0; i < size; ++i)       \
        data[i] = v.data[i];               \
      return *this;                        \
    }                                      \
    T& operator[](int i) { return data[i]; } \
    const T& operator[](int i) const { return data[i]; } \
  };
#define MSL_LIST(...) __VA_ARGS__
MSL_FIELDS(2, MSL_LIST(x, y), MSL_LIST(r, g))
MSL_FIELDS(3, MSL_LIST(x, y, z), MSL_LIST(r, g, b))
MSL_FIELDS(4, MSL_LIST(x, y, z, w), MSL_LIST(r, g, b, a))
#undef MSL_FIELDS
#undef MSL_SWIZZLE
#undef MSL_LIST

// What an argument is worth: vectors for swizzles and packed vectors, itself for all else.
template <typename T>
struct worth {
  using type = T;
  using element = T;
  static constexpr int size = 1;
  static constexpr bool is_vector = false;
};
template <typename T, int N>
struct worth<metal::vec<T, N>> {
  using type = metal::vec<T, N>;
  using element = T;
  static constexpr int size = N;
  static constexpr bool is_vector = true;
};
template <typename T, int N>
struct worth<metal::packed<T, N>> : worth<metal::vec<T, N>> {};
template <typename T, int N, int... I>
struct worth<swizzle<T, N, I...>> : worth<metal::vec<T, sizeof...(I)>> {};

template <typename T>
using plain = typename worth<T>::type;
template <typename T>
using element = typename worth<T>::element;
template <typename T>
constexpr int size = worth<T>::size;
template <typename T>
constexpr bool is_vector = worth<T>::is_vector;
// Whether T is a vector or a scalar of Metal's.
template <typename T>
constexpr bool is_value = is_vector<T> || is_scalar<T>;

// Element i of a vector; a scalar is all of its elements.
template <typename T>
auto at(const T& x, int i) {
  if constexpr (is_vector<T>) {
    return static_cast<const plain<T>&>(x)[i];
  } else {
    return x;
  }
}
template <typename T, int N, int... I>
T at(const swizzle<T, N, I...>& x, int i) { return x.value()[i]; }
template <typename T, int N>
T at(const metal::packed<T, N>& x, int i) { return x[i]; }

// What constructs a vector from parts: scalars and vectors, one after the other.
template <typename T, typename V, typename... A>
void assemble(V& v, const A&... parts) {
  static_assert((size<A> + ...) == worth<V>::size, "the parts of a vector must have as many elements as it has");
  int n = 0;
  auto append = [&](const auto& part) {
    using P = cuda::std::remove_cvref_t<decltype(part)>;
#pragma unroll
    for (int i = 0; i < size<P>; ++i) v[n++] = static_cast<T>(at(part, i));
  };
  (append(parts), ...);
}
}  // namespace msl

namespace metal {
#define MSL_CONSTRUCTORS(self)                                                                        \
  self() = default;                                                                                   \
  self(const self&) = default;                                                                        \
  self& operator=(const self&) = default;                                                             \
  template <typename S, msl::enable_if<msl::is_scalar<S>, int> = 0>                                   \
  self(S x) {                                                                                         \
    for (int i = 0; i < N; ++i) (*this)[i] = static_cast<T>(x);                                       \
  }                                                                                                   \
  template <typename A, typename B, typename... Rest,                                                 \
            msl::enable_if<(msl::is_value<A> && msl::is_value<B> && (msl::is_value<Rest> && ...)), int> = 0> \
  self(const A& a, const B& b, const Rest&... rest) {                                                 \
    msl::assemble<T>(*this, a, b, rest...);                                                           \
  }                                                                                                   \
  template <typename V>                                                                               \
  self& operator+=(const V& v) { return *this = self(*this + v); }                                    \
  template <typename V>                                                                               \
  self& operator-=(const V& v) { return *this = self(*this - v); }                                    \
  template <typename V>                                                                               \
  self& operator*=(const V& v) { return *this = self(*this * v); }                                    \
  template <typename V>                                                                               \
  self& operator/=(const V& v) { return *this = self(*this / v); }                                    \
  template <typename V>                                                                               \
  self& operator%=(const V& v) { return *this = self(*this % v); }                                    \
  template <typename V>                                                                               \
  self& operator&=(const V& v) { return *this = self(*this & v); }                                    \
  template <typename V>                                                                               \
  self& operator|=(const V& v) { return *this = self(*this | v); }                                    \
  template <typename V>                                                                               \
  self& operator^=(const V& v) { return *this = self(*this ^ v); }                                    \
  template <typename V>                                                                               \
  self& operator<<=(const V& v) { return *this = self(*this << v); }                                  \
  template <typename V>                                                                               \
  self& operator>>=(const V& v) { return *this = self(*this >> v); }

// From other vectors of N elements: implicit between packed and not, else explicit, as in Metal.
template <typename T, int N>
struct alignas(sizeof(T) * (N == 3 ? 4 : N)) vec : msl::fields<T, N> {
  MSL_CONSTRUCTORS(vec)
  vec(const packed<T, N>& v) { msl::assemble<T>(*this, v); }
  template <typename V, msl::enable_if<(msl::is_vector<V> && msl::size<V> == N), int> = 0>
  explicit vec(const V& v) { msl::assemble<T>(*this, v); }
};
template <typename T, int N>
struct packed : msl::fields<T, N> {
  MSL_CONSTRUCTORS(packed)
  packed(const vec<T, N>& v) { msl::assemble<T>(*this, v); }
  template <typename V, msl::enable_if<(msl::is_vector<V> && msl::size<V> == N), int> = 0>
  explicit packed(const V& v) { msl::assemble<T>(*this, v); }
};
#undef MSL_CONSTRUCTORS
}  // namespace metal

namespace msl {
// The vector that A and B make together: its elements are those of the vectors, which scalars turn into.
template <typename A, typename B>
using joined = conditional<is_vector<A>, plain<A>, plain<B>>;
template <typename A, typename B>
constexpr bool joins = (is_vector<A> || is_vector<B>)&&is_value<A>&& is_value<B>;
}  // namespace msl


namespace metal {
#define MSL_OPERATOR(op)                                                              \
  template <typename A, typename B, typename = msl::enable_if<msl::joins<A, B>>>      \
  msl::joined<A, B> operator op(const A& a, const B& b) {                             \
    using V = msl::joined<A, B>;                                                      \
    using E = msl::element<V>;                                                        \
    V r;                                                                              \
    _Pragma("unroll") for (int i = 0; i < msl::size<V>; ++i)                          \
      r[i] = static_cast<E>(static_cast<E>(msl::at(a, i)) op static_cast<E>(msl::at(b, i))); \
    return r;                                                                         \
  }
#define MSL_COMPARISON(op)                                                            \
  template <typename A, typename B, typename = msl::enable_if<msl::joins<A, B>>>      \
  vec<bool, msl::size<msl::joined<A, B>>> operator op(const A& a, const B& b) {       \
    using E = msl::element<msl::joined<A, B>>;                                        \
    vec<bool, msl::size<msl::joined<A, B>>> r;                                        \
    _Pragma("unroll") for (int i = 0; i < msl::size<msl::joined<A, B>>; ++i)          \
      r[i] = static_cast<E>(msl::at(a, i)) op static_cast<E>(msl::at(b, i));          \
    return r;                                                                         \
  }
#define MSL_UNARY(op, Result)                                                         \
  template <typename A, typename = msl::enable_if<msl::is_vector<A>>>                 \
  auto operator op(const A& a) {                                                      \
    vec<Result, msl::size<A>> r;                                                      \
    _Pragma("unroll") for (int i = 0; i < msl::size<A>; ++i)                          \
      r[i] = static_cast<Result>(op msl::at(a, i));                                   \
    return r;                                                                         \
  }
MSL_OPERATOR(+)
MSL_OPERATOR(-)
MSL_OPERATOR(*)
MSL_OPERATOR(/)
MSL_OPERATOR(%)
MSL_OPERATOR(&)
MSL_OPERATOR(|)
MSL_OPERATOR(^)
MSL_OPERATOR(<<)
MSL_OPERATOR(>>)
MSL_COMPARISON(==)
MSL_COMPARISON(!=)
MSL_COMPARISON(<)
MSL_COMPARISON(<=)
MSL_COMPARISON(>)
MSL_COMPARISON(>=)
MSL_COMPARISON(&&)
MSL_COMPARISON(||)
MSL_UNARY(-, msl::element<A>)
MSL_UNARY(+, msl::element<A>)
MSL_UNARY(~, msl::element<A>)
MSL_UNARY(!, bool)
#undef MSL_OPERATOR
#undef MSL_COMPARISON
#undef MSL_UNARY

#define MSL_NAMES(T)                \
  using T##2 = vec<T, 2>;           \
  using T##3 = vec<T, 3>;           \
  using T##4 = vec<T, 4>;           \
  using packed_##T##2 = packed<T, 2>; \
  using packed_##T##3 = packed<T, 3>; \
  using packed_##T##4 = packed<T, 4>;
MSL_NAMES(bool)
MSL_NAMES(char)
MSL_NAMES(uchar)
MSL_NAMES(short)
MSL_NAMES(ushort)
MSL_NAMES(int)
MSL_NAMES(uint)
MSL_NAMES(long)
MSL_NAMES(ulong)
MSL_NAMES(float)
MSL_NAMES(half)
MSL_NAMES(bfloat)
#undef MSL_NAMES

template <typename T, typename U>
METAL_FUNC T as_type(const U& x) { return msl::bits_as<T>(static_cast<const msl::plain<U>&>(x)); }
}  // namespace metal

namespace simd {
using namespace metal;
}
