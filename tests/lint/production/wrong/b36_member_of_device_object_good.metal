// A member function for an address space each, one for a copy (good)
#include <metal_stdlib>
using namespace metal;

struct Pair {
  float first;
  float second;
  float product() const thread { return first * second; }
  float product() const device { return first * second; }
};

[[kernel]] void b36_member_of_device_object(
    const device Pair* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
    const Pair copy = x[i];
    y[i] = x[i].product() + copy.product();
}
