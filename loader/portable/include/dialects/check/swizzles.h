// Swizzles as properties of classes: a class says before what MSL_TWO, MSL_THREE and MSL_FOUR declare by a name.
#pragma once

// Every swizzle of 2 to 4 letters: each level appends each letter to the prefix `p`.
#define MSL_NAMES_2(a, b) MSL_SECOND_2(a, a, b) MSL_SECOND_2(b, a, b)
#define MSL_SECOND_2(p, a, b) MSL_THIRD_2(p##a, a, b) MSL_THIRD_2(p##b, a, b)
#define MSL_THIRD_2(p, a, b) MSL_TWO(p) MSL_FOURTH_2(p##a, a, b) MSL_FOURTH_2(p##b, a, b)
#define MSL_FOURTH_2(p, a, b) MSL_THREE(p) MSL_FOUR(p##a) MSL_FOUR(p##b)
#define MSL_NAMES_3(a, b, c) MSL_SECOND_3(a, a, b, c) MSL_SECOND_3(b, a, b, c) MSL_SECOND_3(c, a, b, c)
#define MSL_SECOND_3(p, a, b, c) MSL_THIRD_3(p##a, a, b, c) MSL_THIRD_3(p##b, a, b, c) MSL_THIRD_3(p##c, a, b, c)
#define MSL_THIRD_3(p, a, b, c) \
  MSL_TWO(p) MSL_FOURTH_3(p##a, a, b, c) MSL_FOURTH_3(p##b, a, b, c) MSL_FOURTH_3(p##c, a, b, c)
#define MSL_FOURTH_3(p, a, b, c) MSL_THREE(p) MSL_FOUR(p##a) MSL_FOUR(p##b) MSL_FOUR(p##c)
#define MSL_NAMES_4(a, b, c, d) \
  MSL_SECOND_4(a, a, b, c, d) MSL_SECOND_4(b, a, b, c, d) MSL_SECOND_4(c, a, b, c, d) MSL_SECOND_4(d, a, b, c, d)
#define MSL_SECOND_4(p, a, b, c, d)                           \
  MSL_THIRD_4(p##a, a, b, c, d) MSL_THIRD_4(p##b, a, b, c, d) \
  MSL_THIRD_4(p##c, a, b, c, d) MSL_THIRD_4(p##d, a, b, c, d)
#define MSL_THIRD_4(p, a, b, c, d)                                     \
  MSL_TWO(p) MSL_FOURTH_4(p##a, a, b, c, d) MSL_FOURTH_4(p##b, a, b, c, d) \
  MSL_FOURTH_4(p##c, a, b, c, d) MSL_FOURTH_4(p##d, a, b, c, d)
#define MSL_FOURTH_4(p, a, b, c, d) MSL_THREE(p) MSL_FOUR(p##a) MSL_FOUR(p##b) MSL_FOUR(p##c) MSL_FOUR(p##d)
