/*
 * The system calls of the strict profile: files, memory, threads and processes of its own, signals, time, pipes and sockets that are already
 * allowed by family. Everything else, also what a later kernel adds, does not exist for the workload (ENOSYS). Compare "@system-service" of
 * systemd.exec(5), which is wider.
 */
#ifndef WRIT_STRICT_CALLS_H
#define WRIT_STRICT_CALLS_H

#include <asm/unistd.h>

/* Numbers newer than the build host's headers; the same on every architecture (include/uapi/asm-generic/unistd.h). */
enum { NR_epoll_pwait2 = 441, NR_futex_waitv = 449, NR_fchmodat2 = 452, NR_futex_wake = 454, NR_futex_wait = 455, NR_futex_requeue = 456,
       NR_mseal = 462 };

static const unsigned STRICT[] = {
    /* files and directories */
    __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_pread64, __NR_pwrite64, __NR_preadv, __NR_pwritev, __NR_preadv2,
    __NR_pwritev2, __NR_openat, __NR_openat2, __NR_close, __NR_close_range, __NR_fstat, __NR_newfstatat, __NR_statx, __NR_statfs,
    __NR_fstatfs, __NR_lseek, __NR_faccessat, __NR_faccessat2, __NR_dup, __NR_dup3, __NR_fcntl, __NR_flock, __NR_fsync,
    __NR_fdatasync, __NR_sync_file_range, __NR_truncate, __NR_ftruncate, __NR_fallocate, __NR_fadvise64, __NR_readahead,
    __NR_getdents64, __NR_getcwd, __NR_chdir, __NR_fchdir, __NR_renameat, __NR_renameat2, __NR_mkdirat, __NR_linkat, __NR_unlinkat,
    __NR_symlinkat, __NR_readlinkat, __NR_fchmod, __NR_fchmodat, NR_fchmodat2, __NR_utimensat, __NR_umask, __NR_sendfile,
    __NR_splice, __NR_tee, __NR_copy_file_range, __NR_memfd_create, __NR_ioctl,
    /* waiting */
    __NR_pipe2, __NR_pselect6, __NR_ppoll, __NR_epoll_create1, __NR_epoll_ctl, __NR_epoll_pwait, NR_epoll_pwait2, __NR_eventfd2,
    __NR_signalfd4, __NR_timerfd_create, __NR_timerfd_settime, __NR_timerfd_gettime,
    /* memory */
    __NR_mmap, __NR_mprotect, __NR_munmap, __NR_mremap, __NR_msync, __NR_madvise, __NR_mincore, __NR_brk, __NR_mlock, __NR_mlock2,
    __NR_munlock, __NR_membarrier, NR_mseal,
    /* threads and processes */
    __NR_clone, __NR_execve, __NR_execveat, __NR_exit, __NR_exit_group, __NR_wait4, __NR_waitid, __NR_set_tid_address,
    __NR_set_robust_list, __NR_get_robust_list, __NR_futex, NR_futex_waitv, NR_futex_wake, NR_futex_wait, NR_futex_requeue,
    __NR_rseq, __NR_restart_syscall, __NR_prctl, __NR_getrandom, __NR_gettid, __NR_getpid, __NR_getppid, __NR_getpgid, __NR_setpgid,
    __NR_getsid, __NR_setsid, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getresuid, __NR_getresgid,
    __NR_getgroups, __NR_getrusage, __NR_times, __NR_sysinfo, __NR_uname, __NR_getcpu, __NR_prlimit64, __NR_getrlimit,
    __NR_setrlimit, __NR_getpriority, __NR_sched_yield, __NR_sched_getaffinity, __NR_sched_setaffinity, __NR_sched_getparam,
    __NR_sched_getscheduler, __NR_sched_get_priority_max, __NR_sched_get_priority_min, __NR_pidfd_open, __NR_pidfd_send_signal,
    __NR_landlock_create_ruleset, __NR_landlock_add_rule, __NR_landlock_restrict_self,
    /* signals */
    __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigpending, __NR_rt_sigtimedwait, __NR_rt_sigsuspend,
    __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo, __NR_sigaltstack, __NR_kill, __NR_tkill, __NR_tgkill,
    /* time */
    __NR_clock_gettime, __NR_clock_getres, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday, __NR_getitimer, __NR_setitimer,
    __NR_timer_create, __NR_timer_settime, __NR_timer_gettime, __NR_timer_getoverrun, __NR_timer_delete,
    /* sockets; which families is looked at below */
    __NR_socket, __NR_socketpair, __NR_connect, __NR_bind, __NR_listen, __NR_accept, __NR_accept4, __NR_getsockname,
    __NR_getpeername, __NR_getsockopt, __NR_setsockopt, __NR_shutdown, __NR_sendto, __NR_recvfrom, __NR_sendmsg, __NR_recvmsg,
    __NR_sendmmsg, __NR_recvmmsg,
#if defined(__x86_64__)
    /* what newer architectures have only under the names above */
    __NR_open, __NR_creat, __NR_stat, __NR_lstat, __NR_access, __NR_dup2, __NR_getdents, __NR_rename, __NR_mkdir, __NR_rmdir,
    __NR_link, __NR_unlink, __NR_symlink, __NR_readlink, __NR_chmod, __NR_utime, __NR_utimes, __NR_futimesat, __NR_pipe,
    __NR_select, __NR_poll, __NR_epoll_create, __NR_epoll_wait, __NR_eventfd, __NR_fork, __NR_vfork, __NR_getpgrp, __NR_pause,
    __NR_alarm, __NR_time, __NR_arch_prctl,
#endif
};

#endif
