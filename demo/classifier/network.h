/* A multilayer perceptron with one hidden layer: 64 pixels, 32 hidden units, 10 classes. */
#ifndef WRIT_CLASSIFIER_NETWORK_H
#define WRIT_CLASSIFIER_NETWORK_H

#include "digits.h"

enum { HIDDEN = 32 };

struct network {
	float hidden_weight[HIDDEN][PIXELS];
	float hidden_bias[HIDDEN];
	float output_weight[CLASSES][HIDDEN];
	float output_bias[CLASSES];
};

struct prediction {
	int label;
	double confidence; /* 0 to 1 */
};

/* Trains by stochastic gradient descent on digits drawn from the seed. The same seed gives the same weights. */
void network_train(struct network *n, uint64_t seed, int steps);

struct prediction network_infer(const struct network *n, const struct digit *d);

/* The weights file: magic, then every weight as a little-endian IEEE 754 binary32. 0 on success, -1 on failure. */
int network_save(const struct network *n, const char *path);

/* -1: cannot be read (errno says why), -2: not a weights file. */
int network_load(struct network *n, const char *path);

#endif
