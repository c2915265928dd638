// Members that differ in their address space alone, constants of a struct, an author's `max` by its full name.
#include <metal_stdlib>
using namespace metal;

struct Residue {
  static constant uint modulus = 15u * (1u << 27) + 1u;
  uint value;
  constexpr Residue operator-() const { return Residue{modulus - value}; }
  constexpr Residue operator-() device const { return -Residue(*this); }
  constexpr bool is_zero() const { return value == 0; }
  constexpr bool is_zero() device const { return Residue(*this).is_zero(); }
};

struct Place {
  int row, column;
  METAL_FUNC Place(int r, int c) : row(r), column(c) {}
  METAL_FUNC operator int2() const { return int2(row, column); }
};

template <typename T, int N>
struct Rows {
  T data[N][2];
  METAL_FUNC thread T* operator[](size_t row) { return &data[row][0]; }
};

template <typename T>
struct Cell {
  T value;
  threadgroup Cell& operator=(const thread Cell& other) threadgroup = default;
  threadgroup Cell& operator=(const device Cell& other) threadgroup = default;
};

struct Tables {
  const device Place* rows[2];
};

namespace choice {
struct max {
  template <typename T>
  static METAL_FUNC T of(T a, T b) {
    return a > b ? a : b;
  }
};
}

static inline thread ushort low_half(thread const uint v) {
  return ushort(v & 0xffff);
}

template <typename T, int N>
METAL_FUNC T sum_of(thread const T (&values)[N]) {
  T sum = 0;
  for (int n = 0; n < N; ++n) {
    sum += values[n];
  }
  return sum;
}

METAL_FUNC uint at(const device Residue* x, thread const Place& place) {
  return x[place.row + place.column].value;
}

[[kernel]] void negate(
    const device Residue* x [[buffer(0)]],
    device uint* y [[buffer(1)]],
    constant Tables& tables [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  threadgroup Cell<float> cell;
  if (i == 0) {
    cell = Cell<float>{1.0f};
  }
  constant auto& rows_again = reinterpret_cast<constant Place* constant(&)[2]>(tables.rows);
  const uint both[2] = {1, uint(rows_again[0]->row)};
  y[i + 1] = sum_of(both);
  Rows<uint, 2> rows;
  rows[0][1] = at(x, {int(i), 0});
  const int2 place = Place(0, 1);
  y[i] = x[i].is_zero() ? low_half(rows[0][1]) : (-x[i]).value + choice::max::of(rows[0][place.y], 3u);
}
