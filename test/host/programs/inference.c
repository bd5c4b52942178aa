// An inference server, small enough to read: the network of demo/classifier behind HTTP on the loopback device.
//
//   inference PORT WEIGHTS
//
// POST / with lines of digits (demo/classifier/digits.h) is answered with a line "LABEL CONFIDENCE" for each. Every answer carries
// X-Instance, drawn at the start, and X-Number, which counts the answers; "answer NUMBER" goes to standard output. So a client sees whether it is the
// same process, and whoever reads the output whether something of it is missing or there twice. At SIGTERM it says how many and ends with 0.
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network.h"

enum { MOST_REQUEST = 65536 };

static struct network network;
static volatile sig_atomic_t stop;

static void on_term(int signal) {
  (void)signal;
  stop = 1;
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

// Reads a request into `text`. The length of its body, which `body` points to; -1 when it is none or longer than may be.
static long receive(int from, char *text, char **body) {
  size_t have = 0;
  for (;;) {
    ssize_t n = read(from, text + have, MOST_REQUEST - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    have += (size_t)n;
    text[have] = 0;
    char *end = strstr(text, "\r\n\r\n"), *field = strstr(text, "Content-Length: ");
    if (end == NULL && have < MOST_REQUEST) continue;
    if (end == NULL || field == NULL || field > end) return -1;
    long length = strtol(field + strlen("Content-Length: "), NULL, 10);
    *body = end + 4;
    if (length < 0 || length > MOST_REQUEST - (*body - text)) return -1;
    if (text + have >= *body + length) return length;
  }
}

// Writes the answer to the digits of `body`, or nothing when they are none.
static void answer(int to, char *body, long length, uint64_t instance, unsigned long number) {
  static char labels[MOST_REQUEST];
  struct digit digit;
  size_t used = 0;
  FILE *in = length > 0 ? fmemopen(body, (size_t)length, "r") : NULL;
  int more = -1;
  while (in != NULL && used < sizeof labels - 32 && (more = digit_read(&digit, in)) == 1) {
    struct prediction p = network_infer(&network, &digit);
    used += (size_t)sprintf(labels + used, "%d %.3f\n", p.label, p.confidence);
  }
  if (in != NULL) fclose(in);
  dprintf(to, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nX-Instance: %016lx\r\nX-Number: %lu\r\nConnection: close\r\n\r\n%.*s",
          more < 0 ? "400 Bad Request" : "200 OK", more < 0 ? 0 : used, instance, number, more < 0 ? 0 : (int)used, labels);
}

int main(int argc, char **argv) {
  static char text[MOST_REQUEST + 1];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sigaction term = {.sa_handler = on_term};
  uint64_t instance;
  unsigned long number = 0;
  int yes = 1;
  if (argc != 3) return 2;
  address.sin_port = htons((uint16_t)atoi(argv[1]));
  if (network_load(&network, argv[2]) != 0) return fail(argv[2]);
  if (getrandom(&instance, sizeof instance, 0) != sizeof instance) return fail("getrandom");
  // Not restarted: accept(2) is to return.
  sigaction(SIGTERM, &term, NULL);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)) return fail("socket");
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)) return fail("bind");
  printf("instance %016lx\n", instance), fflush(stdout);
  while (!stop) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    char *body;
    long length = receive(client, text, &body);
    if (length >= 0) {
      answer(client, body, length, instance, ++number);
      printf("answer %lu\n", number), fflush(stdout);
    }
    close(client);
  }
  printf("%lu answers\n", number);
  return 0;
}
