// Members that give references into `this`, on the const and on the other side, called by members of another class.
#include <metal_stdlib>
using namespace metal;

template <int N>
struct Tile {
  typedef vec<float, 2> pair;
  pair parts[N];

  METAL_FUNC Tile() thread {}
  METAL_FUNC constexpr thread pair& part(const short i) thread { return parts[i]; }
  METAL_FUNC constexpr const thread pair& part(const short i) const thread { return parts[i]; }
  METAL_FUNC thread float* numbers() thread { return reinterpret_cast<thread float*>(parts); }
  METAL_FUNC const thread float* numbers() const thread { return reinterpret_cast<const thread float*>(parts); }

  template <typename U>
  METAL_FUNC void load(const device U* from) thread {
    for (short i = 0; i < N; ++i) {
      read(
          part(i),
          from + 2 * i);
    }
  }

  template <typename U>
  METAL_FUNC void store(device U* to) const thread {
    for (short i = 0; i < N; ++i) {
      to[2 * i] = U(part(i).x);
      to[2 * i + 1] = U(part(i)[1]);
    }
  }

  template <typename U>
  METAL_FUNC static void read(thread pair& to, const device U* from) {
    to = pair(float(from[0]), float(from[1]));
  }
};

template <typename T, int N>
struct Block {
  Tile<N> tile;

  METAL_FUNC void run(const device T* from, device T* to, float scale) thread {
    tile.template load<T>(from);
    for (short i = 0; i < 2 * N; ++i) {
      tile.numbers()[i] = tile.numbers()[i] * scale;
    }
    thread auto& first = tile.part(0);
    first[0] = first[0] + scale;
    tile.template store<T>(to);
  }
};

template <typename T, int N>
[[kernel]] void move_tiles(
    const device T* from [[buffer(0)]], device T* to [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  Block<T, N> block;
  block.run(from + 2 * N * i, to + 2 * N * i, 2.0f);
}
template [[host_name("move_f2")]] [[kernel]] decltype(move_tiles<float, 2>) move_tiles<float, 2>;
template [[host_name("move_f4")]] [[kernel]] decltype(move_tiles<float, 4>) move_tiles<float, 4>;
template [[host_name("move_h4")]] [[kernel]] decltype(move_tiles<half, 4>) move_tiles<half, 4>;
