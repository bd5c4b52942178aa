/*
 * A program with descendants of every kind that has ever outlived somebody's kill. Each names itself after its kind; when all are there, the
 * first process prints what it was denied and "ready", and waits. SIGUSR1 has it exit and leave the others behind.
 *
 * descendants [NUMBER]: with so many more that only sleep
 * descendants --eat BYTES: takes so much memory once SIGUSR1 comes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOMB 40
#define THREADS 8

static int told[2];

static void am(const char *kind)
{
  prctl(PR_SET_NAME, kind);
  if (write(told[1], "", 1) != 1)
    _exit(2);
}

__attribute__((noreturn)) static void stay(void)
{
  for (;;)
    pause();
}

/* Not waited for: its parent is gone, and it has become a child of the first process of the PID namespace. */
static void doubleforked(void)
{
  if (fork() == 0) {
    am("doubleforked");
    stay();
  }
  _exit(0);
}

static void own_session(void)
{
  setsid();
  if (fork() == 0) {
    setsid();
    am("own-session");
    stay();
  }
  _exit(0);
}

static void deaf(void)
{
  sigset_t all;
  sigfillset(&all);
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_IGN);
  sigprocmask(SIG_BLOCK, &all, NULL);
  am("deaf");
  stay();
}

static void more(int number)
{
  (void)number;
  if (fork() == 0)
    return;
}

/* Answers what it can answer with another of itself. */
static void multiplying(void)
{
  for (int number = 1; number < NSIG; number++)
    signal(number, number == SIGCHLD ? SIG_IGN : more);
  am("multiplying");
  stay();
}

static void stopped(void)
{
  am("stopped");
  raise(SIGSTOP);
  stay();
}

/* Never the same process for long: whoever reads a list of pids has an old one. */
static void fleeing(void)
{
  signal(SIGCHLD, SIG_IGN);
  am("fleeing");
  for (;;) {
    pid_t next = fork();
    if (next > 0)
      _exit(0);
    usleep(500);
  }
}

/* As many as there may be, and it tries on. */
static void bomb(void)
{
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < BOMB; i++)
    if (fork() == 0)
      stay();
  am("bomb");
  for (;;) {
    if (fork() == 0) {
      usleep(2000);
      _exit(0);
    }
    usleep(500);
  }
}

/* The parent stands in the kernel, where it takes no signal but SIGKILL, until the child is gone. */
static void vforked(void)
{
  prctl(PR_SET_NAME, "vforking");
  if (vfork() == 0) {
    am("vforked");
    stay();
  }
  _exit(0);
}

static void *thread(void *nothing)
{
  (void)nothing;
  stay();
}

/* A process whose first thread is dead: its state reads as a zombie's, and it is none. */
static void headless(void)
{
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, thread, NULL);
  am("headless");
  pthread_exit(NULL);
}

/* Below another init its number, and its kill, would be another namespace's matter. */
static void namespaced(void)
{
  const struct {
    const char *name;
    int flags;
  } wanted[] = {{"user", CLONE_NEWUSER}, {"pid", CLONE_NEWPID}, {"user+pid", CLONE_NEWUSER | CLONE_NEWPID}, {"cgroup", CLONE_NEWCGROUP}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    long child = syscall(SYS_clone, wanted[i].flags | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      prctl(PR_SET_NAME, "namespaced");
      stay();
    }
    printf("namespace %s: %s\n", wanted[i].name, child < 0 ? strerrorname_np(errno) : "made");
  }
  fflush(stdout);
  am("no-namespaces");
  stay();
}

static void (*const KINDS[])(void) = {doubleforked, own_session, deaf, multiplying, stopped, fleeing, vforked, headless, namespaced, bomb};

static void leave(int number)
{
  (void)number;
  _exit(7);
}

static size_t eaten;
static void eat(int number)
{
  (void)number;
  char *memory = mmap(NULL, eaten, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    _exit(8);
  memset(memory, 1, eaten);
  _exit(9);
}

int main(int count, char **arguments)
{
  int others = count == 2 ? atoi(arguments[1]) : 0;
  int expected = (int)(sizeof KINDS / sizeof *KINDS);
  if (count == 3) {
    eaten = strtoul(arguments[2], NULL, 10);
    signal(SIGUSR1, eat);
  } else {
    signal(SIGUSR1, leave);
  }
  if (pipe(told) != 0)
    return 1;
  for (int i = 0; i < others; i++)
    if (fork() == 0)
      stay();
  for (int i = 0; i < expected; i++)
    if (fork() == 0)
      KINDS[i]();
  for (char byte; expected > 0 && read(told[0], &byte, 1) == 1;)
    expected--;
  printf("ready\n");
  fflush(stdout);
  stay();
}
