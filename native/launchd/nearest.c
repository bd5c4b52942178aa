#include "nearest.h"

#include <string.h>

#define COMPARED 64

static size_t least(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Levenshtein's distance. Both are at most COMPARED bytes long. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
  size_t row[COMPARED + 1];
  for (size_t j = 0; j <= b_length; j++)
    row[j] = j;
  for (size_t i = 0; i < a_length; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b_length; j++) {
      size_t above = row[j + 1];
      row[j + 1] = least(diagonal + (a[i] == b[j] ? 0 : 1), least(above, row[j]) + 1);
      diagonal = above;
    }
  }
  return row[b_length];
}

const char *nearest_name(const char *name, const char *const *known, size_t count)
{
  const char *best = NULL;
  size_t best_distance = 0;
  for (size_t i = 0; i < count; i++) {
    size_t length = least(strlen(known[i]), COMPARED);
    size_t distance = edit_distance(name, strnlen(name, COMPARED), known[i], length);
    size_t allowed = length / 3 > 2 ? length / 3 : 2;
    if (distance > allowed || (best != NULL && distance >= best_distance))
      continue;
    best = known[i];
    best_distance = distance;
  }
  return best;
}
