/* Synthetic 8x8 images of handwritten-like digits, and their one-line text form. */
#ifndef WRIT_CLASSIFIER_DIGITS_H
#define WRIT_CLASSIFIER_DIGITS_H

#include <stdio.h>

#include "random.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 10, DARKEST = 15 };

struct digit {
	int label;                   /* 0 to 9, or -1 when the input says '?' */
	unsigned char pixel[PIXELS]; /* 0 (white) to DARKEST */
};

/* Draws a digit: its glyph moved by up to one pixel, with uneven ink, a soft edge and noise. */
void digit_draw(struct digit *out, int label, struct random *r);

/* Writes "LABEL PIXELS\n", one hexadecimal character for each pixel. */
void digit_print(const struct digit *d, FILE *to);

/* Reads one such line. 1: a digit, 0: end of input, -1: the line is not a digit. */
int digit_read(struct digit *out, FILE *from);

#endif
