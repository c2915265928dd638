// The functions of simdgroups (simd_) and quads (quad_), a line a function. A dialect says what becomes of a line: e
// is an element of type E, n an argument, a and b are what is joined, of the type A that E is accumulated in.
#pragma once

namespace metal {
#define MSL_VOTE(name, T, width)                                     \
  struct name {                                                      \
    using vote_t = T;                                                \
    explicit name(vote_t v) : votes(v) {}                            \
    explicit operator vote_t() const { return votes; }               \
    bool any() const { return votes != 0; }                          \
    bool all() const { return votes == msl::every_lane(width); }     \
                                                                     \
   private:                                                          \
    vote_t votes;                                                    \
  };
MSL_VOTE(simd_vote, ulong, 32)
MSL_VOTE(quad_vote, uint, 4)
#undef MSL_VOTE

// prefix: simd or quad; width: its lanes.
#define MSL_CLUSTER(prefix, width)                                                           \
  MSL_JOIN(prefix##_sum, width, 0, a + b)                                                    \
  MSL_JOIN(prefix##_product, width, 1, a * b)                                                \
  MSL_JOIN(prefix##_min, width, msl::top<A>(), b < a ? b : a)                                \
  MSL_JOIN(prefix##_max, width, msl::bottom<A>(), a < b ? b : a)                             \
  MSL_JOIN_BITS(prefix##_and, width, ~(A)0, a & b)                                           \
  MSL_JOIN_BITS(prefix##_or, width, 0, a | b)                                                \
  MSL_JOIN_BITS(prefix##_xor, width, 0, a ^ b)                                               \
  MSL_SCAN(prefix##_prefix_inclusive_sum, width, 0, a + b, true)                             \
  MSL_SCAN(prefix##_prefix_exclusive_sum, width, 0, a + b, false)                            \
  MSL_SCAN(prefix##_prefix_inclusive_product, width, 1, a * b, true)                         \
  MSL_SCAN(prefix##_prefix_exclusive_product, width, 1, a * b, false)                        \
  MSL_MOVE(prefix##_shuffle, width, lanes::gather(e, n))                                     \
  MSL_MOVE(prefix##_shuffle_xor, width, lanes::exchange(e, n))                               \
  MSL_MOVE(prefix##_shuffle_rotate_up, width, lanes::rotate(e, -(int)n))                     \
  MSL_MOVE(prefix##_shuffle_rotate_down, width, lanes::rotate(e, n))                         \
  MSL_MOVE(prefix##_shuffle_up, width, lanes::shift_up(e, n))                                \
  MSL_MOVE(prefix##_shuffle_down, width, lanes::shift_down(e, n))                            \
  MSL_MOVE(prefix##_broadcast, width, lanes::broadcast(e, n))                                \
  MSL_FILL(prefix##_shuffle_and_fill_up, width, fill_up)                                     \
  MSL_FILL(prefix##_shuffle_and_fill_down, width, fill_down)                                 \
  METAL_FUNC bool prefix##_any(bool p) { return msl::cluster<width>::ballot(p) != 0; }       \
  METAL_FUNC bool prefix##_all(bool p) { return msl::cluster<width>::ballot(!p) == 0; }      \
  METAL_FUNC prefix##_vote prefix##_ballot(bool p) { return prefix##_vote(msl::cluster<width>::ballot(p)); } \
  METAL_FUNC prefix##_vote prefix##_active_threads_mask() { return prefix##_ballot(true); }  \
  METAL_FUNC ushort prefix##_first() { return (ushort)msl::lowest_bit(msl::cluster<width>::ballot(true)); } \
  METAL_FUNC bool prefix##_is_first() { return msl::cluster<width>::index() == prefix##_first(); } \
  METAL_FUNC bool prefix##_is_helper_thread() { return false; }                              \
  template <typename T>                                                                      \
  METAL_FUNC auto prefix##_broadcast_first(T x)->decltype(prefix##_broadcast(x, 0)) {        \
    return prefix##_broadcast(x, prefix##_first());                                          \
  }
MSL_CLUSTER(simd, 32)
MSL_CLUSTER(quad, 4)
#undef MSL_CLUSTER
}  // namespace metal
