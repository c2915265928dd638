// All of Metal's library.
#include "words.h"

#include "integer.h"
#include "../../library/array.h"
#include "../../library/logging.h"
#include "../../library/matrix.h"
#include "../../library/pack.h"
#include "atomic.h"
#include "simdgroup_blocks.h"
#include "mlx.h"
#include "constants.h"
