// constructors qualified thread / constant.
#include <metal_stdlib>
using namespace metal;

template <typename T>
struct pair_of {
    T re;
    T im;
    constexpr pair_of(T r, T i) thread : re(r), im(i) {}
    constexpr pair_of(T r, T i) constant : re(r), im(i) {}
    constexpr pair_of(T r) thread : re(r), im(0) {}
};
template <typename T>
constexpr pair_of<T> operator*(pair_of<T> a, pair_of<T> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
constant constexpr pair_of<float> one(1.0f, 0.0f);
[[kernel]] void square(const device pair_of<float>* x [[buffer(0)]], device pair_of<float>* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    pair_of<float> a = x[i];
    pair_of<float> b(1.0f);
    y[i] = a * a * b * one;
}
