// A program that artifacts are issued for: says what it is told and how it runs. `greet WORD STATUS` ends with that status, `greet WORD
// STATUS SECONDS` only after so long.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  printf("%s from uid %ld\n", argv[1], (long)getuid());
  fflush(stdout);
  if (argc > 3) sleep((unsigned)atoi(argv[3]));
  return atoi(argv[2]);
}
