/*
 * A digit classifier: makes its own training images, trains a small network and reads digits from standard input.
 * It is the workload of the demo: a real inference, small enough to read.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "network.h"

enum { DONE = 0, FAILED = 1, WRONG_USE = 2 };
enum { MOST_WORKERS = 16 };

static const char USAGE[] =
	"usage: classifier draw SEED COUNT              print COUNT digits, one in a line\n"
	"       classifier train SEED WEIGHTS           train and write the weights file\n"
	"       classifier infer WEIGHTS                classify the digits on standard input\n"
	"       classifier serve WEIGHTS WORKERS SEED   classify without end in WORKERS processes\n";

static int usage(void)
{
	fputs(USAGE, stderr);
	return WRONG_USE;
}

/* A whole number from `least` to `most`; -1 when the text is anything else. */
static long number(const char *text, long least, long most)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	return errno || end == text || *end || value < least || value > most ? -1 : value;
}

static int load(struct network *n, const char *path)
{
	int result = network_load(n, path);
	if (result == -1)
		fprintf(stderr, "classifier: %s: %s\n", path, strerror(errno));
	if (result == -2)
		fprintf(stderr, "classifier: %s is not a weights file\n", path);
	return result;
}

static int draw(long seed, long count)
{
	struct random r = { (uint64_t)seed };
	struct digit d;

	for (long i = 0; i < count; i++) {
		digit_draw(&d, (int)random_below(&r, CLASSES), &r);
		digit_print(&d, stdout);
	}
	return fflush(stdout) == 0 ? DONE : FAILED;
}

static int train(long seed, const char *path)
{
	static struct network n;

	network_train(&n, (uint64_t)seed, 60000);
	if (network_save(&n, path) != 0) {
		fprintf(stderr, "classifier: %s: %s\n", path, strerror(errno));
		return FAILED;
	}
	return DONE;
}

static int infer(const char *path)
{
	static struct network n;
	struct digit d;
	long line = 0, known = 0, right = 0;
	int more;

	if (load(&n, path) != 0)
		return FAILED;
	while ((more = digit_read(&d, stdin)) == 1) {
		struct prediction p = network_infer(&n, &d);
		line++;
		known += d.label >= 0;
		right += d.label == p.label;
		printf("%d %.3f\n", p.label, p.confidence);
	}
	if (more < 0) {
		fprintf(stderr, "classifier: line %ld of the input is not a digit\n", line + 1);
		return WRONG_USE;
	}
	if (known > 0)
		printf("accuracy %.1f%% (%ld of %ld)\n", 100.0 * (double)right / (double)known, right, known);
	return fflush(stdout) == 0 ? DONE : FAILED;
}

/* One worker of `serve`: classifies digits that it draws and reports now and then. Ends only by a signal. */
static _Noreturn void work(const struct network *n, long seed)
{
	struct random r = { (uint64_t)seed };
	struct digit d;

	for (long count = 1, right = 0;; count++) {
		digit_draw(&d, (int)random_below(&r, CLASSES), &r);
		right += network_infer(n, &d).label == d.label;
		if (count % 1000 == 0) {
			printf("worker %ld: %ld of %ld right\n", seed, right, count);
			fflush(stdout);
			usleep(200 * 1000);
		}
	}
}

static int serve(const char *path, long workers, long seed)
{
	static struct network n;
	pid_t child[MOST_WORKERS];

	if (load(&n, path) != 0)
		return FAILED;
	for (long i = 0; i < workers; i++) {
		child[i] = fork();
		if (child[i] == 0)
			work(&n, seed + i);
		if (child[i] < 0) {
			fprintf(stderr, "classifier: fork: %s\n", strerror(errno));
			while (i-- > 0)
				kill(child[i], SIGTERM);
			break;
		}
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return FAILED;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "draw") == 0 && argc == 4) {
		long seed = number(argv[2], 0, 1000000000), count = number(argv[3], 1, 1000000);
		return seed < 0 || count < 0 ? usage() : draw(seed, count);
	}
	if (strcmp(command, "train") == 0 && argc == 4) {
		long seed = number(argv[2], 0, 1000000000);
		return seed < 0 ? usage() : train(seed, argv[3]);
	}
	if (strcmp(command, "infer") == 0 && argc == 3)
		return infer(argv[2]);
	if (strcmp(command, "serve") == 0 && argc == 5) {
		long workers = number(argv[3], 1, MOST_WORKERS), seed = number(argv[4], 0, 1000000000);
		return workers < 0 || seed < 0 ? usage() : serve(argv[2], workers, seed);
	}
	return usage();
}
