// Apple's compiler knows its library before the file includes it.
struct Turn {
  uint64_t length;
  uint by;
};

template <int N>
using size_or_nothing = metal::conditional_t<N == -1, size_t, metal::nullptr_t>;

kernel void turned(
    device uint* y [[buffer(0)]],
    constant Turn& turn [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  const float limit = INFINITY;
  if (i < turn.length && metal::min(limit, float(y[i])) < 3.0f) {
    y[i] = metal::rotate(y[i], turn.by) + uint(size_or_nothing<-1>(1));
  }
}
