/* A small seeded generator, so that the same seed gives the same digits and the same weights on every machine. */
#ifndef WRIT_CLASSIFIER_RANDOM_H
#define WRIT_CLASSIFIER_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t random_next(struct random *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* From 0 up to, not including, n. */
static inline unsigned random_below(struct random *r, unsigned n)
{
	return (unsigned)(random_next(r) % n);
}

/* From 0 up to, not including, 1. */
static inline double random_unit(struct random *r)
{
	return (double)(random_next(r) >> 11) * (1.0 / 9007199254740992.0);
}

#endif
