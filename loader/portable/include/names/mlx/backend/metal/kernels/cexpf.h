#include <mlx.h>
