// A program that nobody listed. Built more than once, with another NAME each, so that no two have the same digest.
#include <stdio.h>

int main(void) {
  puts("stranger " NAME);
  return 0;
}
