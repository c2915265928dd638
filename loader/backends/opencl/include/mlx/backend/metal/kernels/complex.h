// Part of <metal_stdlib>.
#include <metal_stdlib>
