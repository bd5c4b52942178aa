#include "digits.h"

#include <string.h>

enum { GLYPH_WIDTH = 5, GLYPH_HEIGHT = 7 };

/* Seven rows of five pixels, the leftmost in the highest bit. */
static const unsigned char GLYPH[CLASSES][GLYPH_HEIGHT] = {
	{ 0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e }, /* 0 */
	{ 0x04, 0x0c, 0x14, 0x04, 0x04, 0x04, 0x1f }, /* 1 */
	{ 0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f }, /* 2 */
	{ 0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e }, /* 3 */
	{ 0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02 }, /* 4 */
	{ 0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e }, /* 5 */
	{ 0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e }, /* 6 */
	{ 0x1f, 0x01, 0x02, 0x04, 0x04, 0x08, 0x08 }, /* 7 */
	{ 0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e }, /* 8 */
	{ 0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c }, /* 9 */
};

void digit_draw(struct digit *out, int label, struct random *r)
{
	double ink[PIXELS] = { 0 };
	int left = (int)random_below(r, SIDE - GLYPH_WIDTH + 1);
	int top = (int)random_below(r, SIDE - GLYPH_HEIGHT + 1);
	double pressure = 0.6 + 0.4 * random_unit(r);
	double smear = 0.25 * random_unit(r);

	for (int y = 0; y < GLYPH_HEIGHT; y++) {
		for (int x = 0; x < GLYPH_WIDTH; x++) {
			if (!(GLYPH[label][y] >> (GLYPH_WIDTH - 1 - x) & 1))
				continue;
			int at = (top + y) * SIDE + left + x;
			/* One stroke pixel in twenty stays without ink. */
			ink[at] += random_below(r, 20) == 0 ? 0.1 : pressure;
			if (left + x + 1 < SIDE)
				ink[at + 1] += smear * pressure;
		}
	}
	out->label = label;
	for (int i = 0; i < PIXELS; i++) {
		double value = ink[i] + 0.3 * (random_unit(r) - 0.5);
		if (value < 0)
			value = 0;
		if (value > 1)
			value = 1;
		out->pixel[i] = (unsigned char)(value * DARKEST + 0.5);
	}
}

void digit_print(const struct digit *d, FILE *to)
{
	char line[2 + PIXELS + 1];

	line[0] = d->label < 0 ? '?' : (char)('0' + d->label);
	line[1] = ' ';
	for (int i = 0; i < PIXELS; i++)
		line[2 + i] = "0123456789abcdef"[d->pixel[i]];
	line[2 + PIXELS] = '\n';
	fwrite(line, 1, sizeof line, to);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int digit_read(struct digit *out, FILE *from)
{
	char line[2 + PIXELS + 2]; /* label, space, pixels, newline, end of string */

	if (!fgets(line, sizeof line, from))
		return ferror(from) ? -1 : 0;
	size_t length = strlen(line);
	if (length > 0 && line[length - 1] == '\n')
		line[--length] = '\0';
	if (length != 2 + PIXELS || line[1] != ' ')
		return -1;
	if (line[0] != '?' && (line[0] < '0' || line[0] > '9'))
		return -1;
	out->label = line[0] == '?' ? -1 : line[0] - '0';
	for (int i = 0; i < PIXELS; i++) {
		int value = hex_value(line[2 + i]);
		if (value < 0)
			return -1;
		out->pixel[i] = (unsigned char)value;
	}
	return 1;
}
