// A member function without an address space is called on an object in device memory (bad)
#include <metal_stdlib>
using namespace metal;

struct Pair {
  float first;
  float second;
  float product() const { return first * second; }
};

[[kernel]] void b36_member_of_device_object(
    const device Pair* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
    y[i] = x[i].product();
}
