#pragma once
#include "../../../../msl/mlx.h"
