// MLX's names, in the namespace that kernels live in.
#pragma once

#include "simd.h"

namespace metal {
#include "../../library/mlx.h"
}  // namespace metal
#include "../../library/special.h"
