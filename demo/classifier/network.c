#include "network.h"

#include <math.h>
#include <string.h>

static const char MAGIC[8] = { 'W', 'R', 'I', 'T', 'M', 'L', 'P', '1' };

_Static_assert(sizeof(float) == 4, "the weights file has 32-bit floats");
_Static_assert(sizeof(struct network) ==
	sizeof(float) * (HIDDEN * PIXELS + HIDDEN + CLASSES * HIDDEN + CLASSES), "no padding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the weights file is little-endian");

/* Values of one pass through the network. */
struct pass {
	double input[PIXELS];
	double hidden[HIDDEN];
	double output[CLASSES]; /* softmax: sums to 1 */
};

static void forward(const struct network *n, const struct digit *d, struct pass *p)
{
	for (int i = 0; i < PIXELS; i++)
		p->input[i] = d->pixel[i] / (double)DARKEST;
	for (int h = 0; h < HIDDEN; h++) {
		double sum = (double)n->hidden_bias[h];
		for (int i = 0; i < PIXELS; i++)
			sum += (double)n->hidden_weight[h][i] * p->input[i];
		p->hidden[h] = tanh(sum);
	}
	double largest = -INFINITY;
	for (int c = 0; c < CLASSES; c++) {
		double sum = (double)n->output_bias[c];
		for (int h = 0; h < HIDDEN; h++)
			sum += (double)n->output_weight[c][h] * p->hidden[h];
		p->output[c] = sum;
		largest = fmax(largest, sum);
	}
	double total = 0;
	for (int c = 0; c < CLASSES; c++)
		total += p->output[c] = exp(p->output[c] - largest);
	for (int c = 0; c < CLASSES; c++)
		p->output[c] /= total;
}

/* One step of gradient descent on the cross entropy. */
static void learn(struct network *n, const struct digit *d, double rate)
{
	struct pass p;
	double back[HIDDEN] = { 0 };

	forward(n, d, &p);
	for (int c = 0; c < CLASSES; c++) {
		double error = p.output[c] - (c == d->label);
		for (int h = 0; h < HIDDEN; h++) {
			back[h] += error * (double)n->output_weight[c][h];
			n->output_weight[c][h] -= (float)(rate * error * p.hidden[h]);
		}
		n->output_bias[c] -= (float)(rate * error);
	}
	for (int h = 0; h < HIDDEN; h++) {
		double error = back[h] * (1 - p.hidden[h] * p.hidden[h]);
		for (int i = 0; i < PIXELS; i++)
			n->hidden_weight[h][i] -= (float)(rate * error * p.input[i]);
		n->hidden_bias[h] -= (float)(rate * error);
	}
}

static void randomize(float *weight, int count, double scale, struct random *r)
{
	for (int i = 0; i < count; i++)
		weight[i] = (float)(scale * (2 * random_unit(r) - 1));
}

void network_train(struct network *n, uint64_t seed, int steps)
{
	struct random r = { seed };
	struct digit d;

	memset(n, 0, sizeof *n);
	/* Uniform initial weights scaled to the fan-in and fan-out (Glorot and Bengio 2010). */
	randomize(&n->hidden_weight[0][0], HIDDEN * PIXELS, sqrt(6.0 / (PIXELS + HIDDEN)), &r);
	randomize(&n->output_weight[0][0], CLASSES * HIDDEN, sqrt(6.0 / (HIDDEN + CLASSES)), &r);
	for (int step = 0; step < steps; step++) {
		digit_draw(&d, (int)random_below(&r, CLASSES), &r);
		learn(n, &d, 0.05 * (1 - step / (double)steps));
	}
}

struct prediction network_infer(const struct network *n, const struct digit *d)
{
	struct pass p;
	struct prediction best = { 0, 0 };

	forward(n, d, &p);
	for (int c = 0; c < CLASSES; c++) {
		if (p.output[c] > best.confidence)
			best = (struct prediction){ c, p.output[c] };
	}
	return best;
}

int network_save(const struct network *n, const char *path)
{
	FILE *f = fopen(path, "wb");
	if (!f)
		return -1;
	int written = fwrite(MAGIC, sizeof MAGIC, 1, f) == 1 && fwrite(n, sizeof *n, 1, f) == 1;
	return fclose(f) == 0 && written ? 0 : -1;
}

int network_load(struct network *n, const char *path)
{
	char magic[sizeof MAGIC];
	FILE *f = fopen(path, "rb");
	if (!f)
		return -1;
	int good = fread(magic, sizeof magic, 1, f) == 1 && memcmp(magic, MAGIC, sizeof magic) == 0 &&
		fread(n, sizeof *n, 1, f) == 1 && fgetc(f) == EOF;
	fclose(f);
	const float *weight = (const float *)n;
	for (size_t i = 0; good && i < sizeof *n / sizeof *weight; i++)
		good = isfinite(weight[i]);
	return good ? 0 : -2;
}
