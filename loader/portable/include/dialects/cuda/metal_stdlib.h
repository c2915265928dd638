// All of Metal's library, then the words that would disturb any header: they come last.
#include <cuda/std/type_traits>

#include "matrix.h"
#include "pack.h"
#include "atomic.h"
#include "simdgroup_matrix.h"
#include "mlx.h"
#include "constants.h"

#define device
#define constant
#define thread
#define threadgroup

#define __METAL__ 1
#define __METAL_VERSION__ 320
#define __HAVE_BFLOAT__ 1
#define METAL_FUNC inline __attribute__((always_inline))
#define METAL_CONST static constexpr
