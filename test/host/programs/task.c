// A program for what an executor does with programs: waits and says which signals come, takes memory, processes or processor time without
// end. Static, so that it needs nothing of the guest.
//
//   task stay            says "ready", then each SIGHUP; at SIGTERM says so, and ends with 0
//   task exit NUMBER     ends with that status
//   task eat             has children and an orphan in a session of its own, and takes memory until it is killed
//   task breed           makes processes until it may not, says how many they are with itself, and ends with 0
//   task spin SECONDS    two processes that compute; says how many milliseconds of processor time they had
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int say(const char *what) {
  puts(what);
  return fflush(stdout);
}

// A descriptor from which signals are read, instead of what they do.
static int watch(int first, int second) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  sigaddset(&set, second);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, 0);
}

static int stay(void) {
  struct signalfd_siginfo info;
  int signals = watch(SIGHUP, SIGTERM);
  say("ready");
  while (read(signals, &info, sizeof info) == sizeof info) {
    say(info.ssi_signo == SIGHUP ? "SIGHUP came" : "SIGTERM came");
    if (info.ssi_signo == SIGTERM) return 0;
  }
  return 1;
}

static int eat(void) {
  for (int i = 0; i < 3; i++)
    if (fork() == 0) {
      // The last one leaves: another session, another parent.
      if (i == 2 && (setsid() < 0 || fork() != 0)) _exit(0);
      for (;;) pause();
    }
  say("ready");
  for (;;) {
    char *piece = malloc(1 << 20);
    if (piece == NULL) return 1;
    memset(piece, 1, 1 << 20);
  }
}

static int breed(void) {
  int count = 1;
  pid_t child;
  while ((child = fork()) > 0) count++;
  if (child == 0)
    for (;;) pause();
  printf("%d processes, then %s\n", count, strerrorname_np(errno));
  return 0;
}

static int spin(int seconds) {
  struct rusage usage;
  time_t end = time(NULL) + seconds;
  for (int i = 0; i < 2; i++)
    if (fork() == 0) {
      while (time(NULL) < end)
        ;
      _exit(0);
    }
  while (wait(NULL) > 0)
    ;
  getrusage(RUSAGE_CHILDREN, &usage);
  printf("%ld ms\n", (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "", *with = argc > 2 ? argv[2] : "";
  if (strcmp(what, "stay") == 0) return stay();
  if (strcmp(what, "exit") == 0) return atoi(with);
  if (strcmp(what, "eat") == 0) return eat();
  if (strcmp(what, "breed") == 0) return breed();
  if (strcmp(what, "spin") == 0) return spin(atoi(with));
  return 2;
}
