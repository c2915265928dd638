// simdgroup_matrix on tensor cores, as Metal has it.
#pragma once

#include "tensor_cores.h"

namespace metal {
template <typename T, int Columns = 8, int Rows = 8>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8 && is_floating_point_v<T>, "Metal has 8x8 matrices of float, half and bfloat.");
  using pair = vec<T, 2>;

  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    elements = diagonal_of(diagonal, msl::fragment_row());
    across = diagonal_of(diagonal, msl::fragment_row_across());
    has_across = true;
  }
  static simdgroup_matrix filled(T value) { return of(value, value); }
  static simdgroup_matrix of(pair own) {
    simdgroup_matrix m;
    m.elements = own;
    return m;
  }
  static simdgroup_matrix of(pair own, pair transposed, bool known = true) {
    simdgroup_matrix m = of(own);
    m.across = transposed;
    m.has_across = known;
    return m;
  }
  // Of 16-bit elements those of row l / 4, which are turned when a product asks for them.
  static simdgroup_matrix of_row(pair own, pair row) {
    simdgroup_matrix m = of(own, row);
    m.turns = true;
    return m;
  }

  // What the caller changes through the reference, `across` does not follow; nor does that of lanes that do not call.
  pair& thread_elements() {
    has_across = false;
    return elements;
  }
  const pair& thread_elements() const { return elements; }
  pair own() const { return elements; }
  // This lane's elements of a right operand.
  pair transposed() const { return msl::everywhere(has_across) ? turned() : msl::transposed(elements); }
  // The same where all lanes have called thread_elements() or none has: what a shader must see to.
  pair transposed_alike() const { return has_across ? turned() : msl::transposed(elements); }
  // What a right operand is made of, as it was loaded.
  pair loaded() const { return across; }
  // The same matrix of D, with all that was loaded of it.
  template <typename D>
  simdgroup_matrix<D> as() const {
    return simdgroup_matrix<D>::of(msl::converted<D>(elements), msl::converted<D>(turned()), has_across);
  }

 private:
  pair turned() const {
    if constexpr (sizeof(T) == 2) {
      if (turns) return msl::bits_as<pair>(msl::transpose_halves(msl::bits_as<uint>(across)));
    }
    return across;
  }
  // A lane's elements of `row` of a diagonal matrix.
  static pair diagonal_of(T diagonal, int row) {
    const int column = msl::fragment_column();
    return pair(row == column ? diagonal : (T)0.0f, row == column + 1 ? diagonal : (T)0.0f);
  }

  pair elements;
  // Loaded along with `elements`, and dropped by the compiler where no product asks for it.
  pair across;
  bool has_across = false;
  bool turns = false;
};
}  // namespace metal

#include "../../library/simdgroup_matrix.h"

namespace metal {
template <typename T, typename Pointer>
void simdgroup_load(
    simdgroup_matrix<T>& d, Pointer source, ulong elements_per_row = 8, ulong2 origin = 0, bool transposed = false) {
  const auto p = source + (origin.y * elements_per_row + origin.x);
  const int column = msl::fragment_column(), stride = (int)elements_per_row;
  const int own = msl::fragment_row(), other = msl::fragment_row_across();
  const auto along = [&](int row) {
    const auto first = p + msl::opaque(row * stride + column);
    return vec<T, 2>(first[0], first[1]);
  };
  const auto across = [&](int row) {
    const auto first = p + msl::opaque(column * stride + row);
    return vec<T, 2>(first[0], first[stride]);
  };
  d = transposed ? simdgroup_matrix<T>::of(across(own), along(other)) : simdgroup_matrix<T>::of(along(own), across(other));
}
template <typename T, typename Pointer>
void simdgroup_store(
    const simdgroup_matrix<T>& a,
    Pointer destination,
    ulong elements_per_row = 8,
    ulong2 origin = 0,
    bool transposed = false) {
  const auto p = destination + (origin.y * elements_per_row + origin.x);
  const int row = msl::fragment_row(), column = msl::fragment_column(), stride = (int)elements_per_row;
  const auto first = p + msl::opaque(transposed ? column * stride + row : row * stride + column);
  first[0] = a.own()[0];
  first[transposed ? stride : 1] = a.own()[1];
}

// d = a b + c, summed in float and rounded once.
template <typename D, typename A, typename B, typename C>
void simdgroup_multiply_accumulate(
    simdgroup_matrix<D>& d, const simdgroup_matrix<A>& a, const simdgroup_matrix<B>& b, const simdgroup_matrix<C>& c) {
  const vec<A, 2> x = a.own();
  const vec<B, 2> y = b.transposed();
  const msl::fragment start = {(float)c.own()[0], (float)c.own()[1]};
  msl::fragment r = start;
  if constexpr (sizeof(A) == 2 && is_same_v<A, B>) {
    float sums[4] = {r.first, r.second, 0.0f, 0.0f};
    msl::multiply_small<A, 1>(sums, {msl::bits_as<uint>(x), 0}, {msl::bits_as<uint>(y)});
    r = {sums[0], sums[1]};
  } else {
    r = msl::multiply_add({(float)x[0], (float)x[1]}, {(float)y[0], (float)y[1]}, start);
  }
  d = simdgroup_matrix<D>::of(vec<D, 2>(r.first, r.second));
}
}  // namespace metal
