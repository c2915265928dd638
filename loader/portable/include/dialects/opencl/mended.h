// What `mend.py` writes where the compiler refuses Metal: units that it takes as they are do not include this.
#pragma once

#include "bool_vector.h"

namespace msl {
// `x` beside a V, as Metal takes it: a number becomes an element of a vector, however narrow.
template <typename V, typename T>
METAL_FUNC auto beside(T x) {
  if constexpr (size<V> > 1 && metal::is_arithmetic_v<T> && (is_float<element<V>> || !is_float<T>)) {
    return to<element<V>>(x);
  } else {
    return x;
  }
}

// `a * b` -> `a *msl::fit* b`: the first operator holds a, the second knows both. They bind as the one that was there.
enum fitting { fit };
template <typename T>
struct held {
  T x;
};
#define MSL_FIT(op)                                                                        \
  template <typename T>                                                                    \
  METAL_FUNC held<T> operator op(T x, fitting) {                                           \
    return {x};                                                                            \
  }                                                                                        \
  template <typename T, typename U>                                                        \
  METAL_FUNC auto operator op(held<T> a, U b)->decltype(beside<U>(a.x) op beside<T>(b)) { \
    return beside<U>(a.x) op beside<T>(b);                                                 \
  }
MSL_FIT(*)
MSL_FIT(/)
MSL_FIT(%)
MSL_FIT(+)
MSL_FIT(-)
MSL_FIT(&)
MSL_FIT(|)
MSL_FIT(^)
MSL_FIT(<)
MSL_FIT(>)
MSL_FIT(<=)
MSL_FIT(>=)
MSL_FIT(==)
MSL_FIT(!=)
#undef MSL_FIT

// For decltype: the type of x without its address space.
template <typename T>
T value(T x);

// `v *= x` -> `v *= msl::fitted<decltype(msl::value(v))>() = x`: what assigns takes all that stands right of it.
template <typename V>
struct fitted {
  template <typename T>
  METAL_FUNC auto operator=(T x) const {
    return beside<V>(x);
  }
};

// `c ? a : b` -> `c ? msl::temporary() = a : msl::temporary() = b`: both are temporaries, in no address space.
struct temporary {
  template <typename T>
  METAL_FUNC T operator=(T x) const {
    return x;
  }
};

// Whether there is a T(parts...), which classes decide for themselves. A vector is made of its elements, or of one number.
template <typename T, typename... A>
constexpr constant bool makes = size<T> == 1 ? sizeof...(A) == 1 || __is_class(T)
                                : (__is_class(A) || ...) || (size<A> + ...) == size<T> ||
                                        (sizeof...(A) == 1 && (size<A> + ...) == 1);

// `T(parts...)` of a T that the unit's text does not show to be a vector.
template <typename T, typename... A>
METAL_FUNC auto made(A... parts) -> metal::enable_if_t<makes<T, A...>, T> {
  if constexpr (size<T> > 1) {
    return metal::make_vector<T>(parts...);
  } else if constexpr (sizeof...(A) == 1) {
    return cast<T>(parts...);
  } else {
    return T(parts...);
  }
}

template <typename T, int N>
struct vector_of {
  using type = metal::vec<T, N>;
};
template <int N>
struct vector_of<bool, N> {
  using type = metal::bool_vector<N>;
};
}  // namespace msl

namespace metal {
// `vec<T, N>` of a T that may be bool.
template <typename T, int N>
using any_vec = typename msl::vector_of<T, N>::type;
}  // namespace metal
