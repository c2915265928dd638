// a function as a template argument.
#include <metal_stdlib>
using namespace metal;

struct block {
    half d;
    uchar q[16];
};
void unpack(device const block* b, short at, thread float4x4& r) {
    for (int k = 0; k < 16; ++k) r[k / 4][k % 4] = float(b->d) * float(b->q[k]) + float(at);
}
template <typename B, short N, void (*unpack_fn)(device const B*, short, thread float4x4&)>
kernel void rows(device const B* x [[buffer(0)]], device float4x4* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    float4x4 r;
    unpack_fn(x + i / N, short(i % N), r);
    y[i] = r;
}
typedef decltype(rows<block, 1, unpack>) rows_t;
template [[host_name("rows_block")]] kernel rows_t rows<block, 1, unpack>;
