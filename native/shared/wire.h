/*
 * Orders from writd to writ-launchd, their answers, and events. One SOCK_SEQPACKET message each: a fixed header, a fixed
 * body, and for some a counted table of fixed records. Little-endian, no padding left to the compiler. Long string
 * tables (argv, environment, paths) travel in a sealed memfd passed along: NUL-terminated strings one after another, as
 * many as the order's counts say, and nothing else. daemon/launcher (wire.ts, encode.ts, decode.ts) is the other half of this file.
 */
#ifndef WRIT_WIRE_H
#define WRIT_WIRE_H

#include <assert.h>
#include <stdint.h>

#define WIRE_MAGIC UINT32_C(0x4c545257) /* "WRTL" */
#define WIRE_VERSION 1
#define WIRE_MESSAGE_MAX (128u << 10)
#define WIRE_FDS_MAX 8
#define WIRE_ID_SIZE 16
#define WIRE_DIGEST_SIZE 32
#define WIRE_SUBJECTS_MAX 256
#define WIRE_GROUPS_MAX 16
#define WIRE_WRITABLE_MAX 32
#define WIRE_DEVICES_MAX 16              /* classes of devices that there are, and that one execution has */
#define WIRE_DEVICE_NAME_SIZE 32         /* with its NUL */
#define WIRE_SECRETS_MAX 4
#define WIRE_SECRET_FIRST 3 /* descriptors that a program can find a secret under */
#define WIRE_SECRET_LAST 63
#define WIRE_STRINGS_MAX 16384         /* strings in one table */
#define WIRE_TABLE_MAX (2u << 20)      /* bytes of one table; ARG_MAX of execve(2) with the default stack */
#define WIRE_INTERPRETER_SIZE 256      /* BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h */
#define WIRE_GENERATIONS_MAX 16        /* executions that are each below the one before, the first not counted */
#define WIRE_CGROUP_SIZE 1024
#define WIRE_LIST_MAX 256
#define WIRE_UID_ALLOCATE UINT32_MAX   /* -1 is no user id */
#define WIRE_NONE UINT32_MAX

enum wire_type {
  WIRE_HELLO = 1, /* + lease page */
  WIRE_OPEN_LOG,
  WIRE_STAGE,   /* + paths */
  WIRE_PREPARE, /* + argv, environment, writable paths, working directory */
  WIRE_START,
  WIRE_KILL,
  WIRE_LAPSE,
  WIRE_ABANDON,
  WIRE_LIST,
  WIRE_THAW,
  WIRE_SIGNAL,
  WIRE_CALLER, /* + pidfd: what program writd's caller executes */
  WIRE_KEEP,   /* + its streams and its socket */
  WIRE_ADOPT,
  WIRE_LEAVE,  /* the last order of a connection */
  WIRE_NOTE,
  WIRE_ORDER_END, /* one past the last order */
  WIRE_KILL_SENT = 0x4001,
  WIRE_ENDED = 0x4002,
  WIRE_HELD = 0x4003,
  WIRE_ANSWER = 0x8000, /* set in the answer to an order */
};

/* Closed; an answer with another status than OK has a wire_failure as its body. */
enum wire_status {
  STATUS_OK,
  STATUS_MALFORMED,
  STATUS_NOT_GREETED,
  STATUS_BAD_LEASE,
  STATUS_UNKNOWN_EXECUTION,
  STATUS_ID_IN_USE,
  STATUS_BAD_STATE,
  STATUS_CAPACITY,
  STATUS_UID_REFUSED,
  STATUS_GID_REFUSED,
  STATUS_LIMIT_UNENFORCEABLE,
  STATUS_SUBJECT_OPEN,
  STATUS_SUBJECT_NOT_REGULAR,
  STATUS_SUBJECT_TOO_LARGE,
  STATUS_SUBJECT_READ,
  STATUS_STAGE_TIMEOUT,
  STATUS_INTERPRETER_REFUSED,
  STATUS_DIGEST_MISMATCH,
  STATUS_PROGRAM_REFUSED,
  STATUS_EPOCH_OVER,
  STATUS_LEASE_OVER,
  STATUS_EXPIRED,
  STATUS_PARENT_ENDED,
  STATUS_SUBJECT_HIDDEN,
  STATUS_WRITABLE_REFUSED,
  STATUS_CWD_REFUSED,
  STATUS_SANDBOX_FAILED,
  STATUS_EXEC_FAILED,
  STATUS_LOG_UNAVAILABLE,
  STATUS_ENDED,
  STATUS_INTERNAL,
  STATUS_DEVICE_REFUSED,
  STATUS_CHILDREN_REFUSED, /* of that parent, or of so deep a generation */
  STATUS_SECRET_REFUSED,
  STATUS_CALLER_UNKNOWN,
  STATUS_STREAM_REFUSED, /* not a stream or the socket that this execution was made with */
};

/* Why an execution ended. The first group is decided in C, the second is what writd may say in a KILL. */
enum wire_cause {
  CAUSE_NONE,
  CAUSE_EXITED,
  CAUSE_EPOCH,
  CAUSE_LEASE,
  CAUSE_EXPIRY,
  CAUSE_RUN_TIME,
  CAUSE_CPU_TIME,
  CAUSE_PARENT,
  CAUSE_LAUNCHER_STOP,
  CAUSE_SUPERVISOR_LOST,
  CAUSE_INIT_LOST,
  CAUSE_SUPERSEDED,
  CAUSE_ABANDONED,
  CAUSE_NOT_STARTED,
  CAUSE_LAPSE,
  CAUSE_GRACE, /* it was held, and not thawed in time */
  CAUSE_OUT_OF_MEMORY, /* the kernel ended all of it at once */
  CAUSE_ORDERED_FIRST = 64,
  CAUSE_TERMINATED = CAUSE_ORDERED_FIRST,
  CAUSE_REVOKED,
  CAUSE_OUTPUT_LIMIT,
  CAUSE_CALLER_GONE,
  CAUSE_DAEMON,
  CAUSE_DENIED, /* its authorization, looked at again, does not hold any more */
  CAUSE_NOT_AS_PERMITTED, /* it was kept, and is not what was permitted under its id */
  CAUSE_ORDERED_END, /* one past the last */
};

enum wire_log { LOG_EVENT = 1, LOG_USERSPACE, LOG_IMA };
enum wire_network { NETWORK_NONE, NETWORK_HOST, NETWORK_LOOPBACK };
enum wire_profile { PROFILE_DEFAULT, PROFILE_STRICT }; /* of system calls */
enum wire_stdio { STDIO_STDIN = 1, STDIO_STDOUT = 2, STDIO_STDERR = 4, STDIO_ALL = 7,
                  STDIO_TERMINAL = 8 }; /* alone: one terminal for all three */
enum wire_format { FORMAT_DATA, FORMAT_ELF_STATIC, FORMAT_ELF_DYNAMIC, FORMAT_SCRIPT, FORMAT_TREE };
enum wire_kind { KIND_FILE, KIND_TREE /* a directory with all that is in it */ };
enum wire_controller { CONTROLLER_MEMORY = 1, CONTROLLER_PIDS = 2, CONTROLLER_CPU = 4 };
enum wire_feature { FEATURE_DEVICE_FILTER = 1, FEATURE_MEMFD_NOEXEC = 2,
                    FEATURE_KEEP = 4 /* KEEP, ADOPT and LEAVE are known */ };

struct wire_header {
  uint32_t magic;
  uint16_t version;
  uint16_t type;
  uint64_t request; /* chosen by writd, comes back in the answer; 0 in events */
  uint32_t length;  /* of the whole message */
  uint32_t status;  /* 0 in orders and events */
};

struct wire_failure {
  int32_t error;  /* errno, or 0 */
  uint32_t index; /* which subject, path or step; WIRE_NONE otherwise */
};

struct wire_hello_answer {
  uint32_t landlock_abi; /* 0: the kernel has none */
  uint32_t controllers;
  uint32_t superseded; /* executions of an earlier lease page, now being killed */
  uint32_t features;   /* wire_feature: what not every kernel or launcher has */
  uint32_t device_count;
  uint32_t kept; /* executions of an earlier lease page that can be adopted */
  /* device_count × char[WIRE_DEVICE_NAME_SIZE]: the classes of devices that the configuration names */
};

struct wire_open_log {
  uint32_t kind;
  uint32_t zero;
};

struct wire_stage {
  uint8_t id[WIRE_ID_SIZE];
  uint32_t uid;
  uint32_t gid;     /* ignored when the uid is allocated: it is then the uid's number */
  uint32_t count;
  uint32_t program; /* the subject that will be executed; a script's interpreter has to be a subject as well */
  /* count × wire_stage_item */
};

struct wire_stage_item {
  uint64_t max_bytes; /* most that it may have */
  uint32_t kind;      /* nothing of another kind is taken, so no file can stand for a directory */
  uint32_t zero;
};

struct wire_staged_answer {
  uint32_t count;
  uint32_t uid;
  /* count × wire_staged; if one of them failed, nothing is kept */
};

struct wire_staged {
  uint8_t digest[WIRE_DIGEST_SIZE]; /* SHA-256, of a directory that of its manifest */
  uint64_t size;
  uint32_t status; /* wire_status; what follows and digest and size count only when it is OK */
  int32_t error;   /* errno, or 0 */
  uint32_t format;
  uint32_t zero;
  char interpreter[WIRE_INTERPRETER_SIZE]; /* of a script (#!) or a dynamic ELF (PT_INTERP), else "" */
};

struct wire_prepare {
  uint8_t id[WIRE_ID_SIZE];
  uint8_t parent[WIRE_ID_SIZE]; /* zero: none */
  uint64_t epoch;
  uint64_t expiry_ns; /* boot clock */
  uint64_t max_evidence_age_ns;
  uint64_t run_time_ns; /* the limits: 0 means none */
  uint64_t cpu_time_ns;
  uint64_t memory_bytes;        /* of the whole execution; needs the memory controller */
  uint64_t address_space_bytes; /* of each process */
  uint64_t file_bytes;          /* of each file written */
  uint64_t grace_ns;            /* how long a lapse may hold it for a THAW; 0: a lapse ends it */
  uint32_t pids;
  uint32_t open_files;
  uint32_t network;
  uint32_t stdio;
  uint32_t argument_count;
  uint32_t environment_count;
  uint32_t writable_count;
  uint32_t subject_count;
  uint32_t group_count;
  uint32_t groups[WIRE_GROUPS_MAX];
  uint32_t uid; /* WIRE_UID_ALLOCATE: an own one, as it was staged */
  uint32_t gid;
  uint32_t profile;
  uint32_t cpu_percent;  /* of one processor, of the whole execution; needs the cpu controller */
  uint32_t device_count; /* their names follow the writable paths in the table of strings */
  uint32_t children;     /* 1: it may be a parent, and has a socket of its own to ask for children on */
  uint32_t secret_count; /* as many sealed memfds follow the table of strings, */
  uint32_t secrets[WIRE_SECRETS_MAX]; /* and the program finds them under these numbers */
  /* subject_count × digest: what the authorization names, compared with what was hashed here */
};

/* + the streams that were asked for, or the one terminal; + its own socket, which listens, if it may be a parent */
struct wire_prepared_answer {
  uint32_t pid; /* of the execution's init, as the host sees it */
  uint32_t uid;
  char cgroup[WIRE_CGROUP_SIZE];
};

struct wire_start {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t epoch;
};

struct wire_kill {
  uint8_t id[WIRE_ID_SIZE];
  uint32_t cause;
  uint32_t zero;
};

struct wire_lapse {
  uint64_t epoch; /* executions of this epoch and earlier ones end, and all that are kept, */
  uint32_t hold;  /* or with 1 are held, where their PREPARE says so */
  uint32_t zero;
};

/* Lets go of what is held, into an epoch that the lease page shows: nothing but this order does. */
struct wire_thaw {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t epoch;
};

struct wire_abandon {
  uint8_t id[WIRE_ID_SIZE];
};

/* To the execution's first process alone, once it runs. The signal is one of a closed set (orders.c). */
struct wire_signal {
  uint8_t id[WIRE_ID_SIZE];
  uint32_t signal;
  uint32_t zero;
};

/* A process that is connected to writd, as the kernel told it; the pidfd says whether it is still the same. */
struct wire_caller {
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
  uint32_t zero;
};

struct wire_caller_answer {
  uint8_t digest[WIRE_DIGEST_SIZE]; /* SHA-256 of its executable */
  uint64_t size;
};

/*
 * For the next writd: what runs is left to the launcher with its streams, and with its own socket if it has one. The descriptors are those that writd
 * got with the answer to PREPARE, in that order; of a stream that has been closed there is none. Another KEEP replaces what came with the one before.
 * In force from LEAVE on, or from when the connection is over: then nothing but its old lease page tells how long it lives, until it is adopted.
 */
struct wire_keep {
  uint8_t id[WIRE_ID_SIZE];
  uint32_t streams; /* wire_stdio */
  uint32_t socket;  /* 1: the last descriptor */
};

/*
 * What is kept goes on under the page of this connection, which shows this epoch. Refused, it stays kept, and dies by its old lease. The deadlines
 * are those of its PREPARE or these, whichever are earlier.
 */
struct wire_adopt {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t epoch;
  uint64_t expiry_ns; /* boot clock */
  uint64_t max_evidence_age_ns;
};

/* A number that whoever adopts it gets back. It means nothing here, and another NOTE replaces it. */
struct wire_note {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t number;
};

/* + the descriptors that came with KEEP */
struct wire_adopted_answer {
  uint32_t streams;
  uint32_t socket;
  uint32_t pid;
  uint32_t uid;
  uint64_t noted; /* with the last NOTE; 0: none came */
  char cgroup[WIRE_CGROUP_SIZE];
};

struct wire_list {
  uint32_t offset;
  uint32_t zero;
};

struct wire_list_answer {
  uint32_t total;
  uint32_t count;
  /* count × wire_listed */
};

struct wire_listed {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t epoch;
  uint32_t state;
  uint32_t pid;
  uint8_t order[WIRE_DIGEST_SIZE]; /* of what it was made of, as launchd/order_digest.h has it; zero before a PREPARE */
};

/* It stands still: the freeze has been written. */
struct wire_held {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t boot_ns;
  uint32_t cause;
  uint32_t zero;
};

struct wire_kill_sent {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t boot_ns;
  uint32_t cause;
  uint32_t zero;
};

/* + the standard output and error, or the terminal, of one that ended while it was kept: what it wrote last is still in them */
struct wire_ended {
  uint8_t id[WIRE_ID_SIZE];
  uint64_t boot_ns; /* when the leaf cgroup was seen empty */
  uint32_t cause;
  int32_t exit_code; /* -1: did not exit by itself */
  uint32_t signal;   /* 0: none */
  uint32_t streams;  /* wire_stdio: what comes along */
  uint64_t user_us;
  uint64_t system_us;
  uint64_t max_rss_kib;
};

static_assert(sizeof(struct wire_header) == 24, "wire");
static_assert(sizeof(struct wire_stage) == 32, "wire");
static_assert(sizeof(struct wire_stage_item) == 16, "wire");
static_assert(sizeof(struct wire_staged) == 312, "wire");
static_assert(sizeof(struct wire_hello_answer) == 24, "wire");
static_assert(sizeof(struct wire_prepare) == 248, "wire");
static_assert(sizeof(struct wire_prepared_answer) == 1032, "wire");
static_assert(sizeof(struct wire_start) == 24, "wire");
static_assert(sizeof(struct wire_kill) == 24, "wire");
static_assert(sizeof(struct wire_signal) == 24, "wire");
static_assert(sizeof(struct wire_caller) == 16, "wire");
static_assert(sizeof(struct wire_caller_answer) == 40, "wire");
static_assert(sizeof(struct wire_keep) == 24, "wire");
static_assert(sizeof(struct wire_adopt) == 40, "wire");
static_assert(sizeof(struct wire_note) == 24, "wire");
static_assert(sizeof(struct wire_adopted_answer) == 1048, "wire");
static_assert(sizeof(struct wire_listed) == 64, "wire");
static_assert(sizeof(struct wire_lapse) == 16, "wire");
static_assert(sizeof(struct wire_thaw) == 24, "wire");
static_assert(sizeof(struct wire_held) == 32, "wire");
static_assert(sizeof(struct wire_kill_sent) == 32, "wire");
static_assert(sizeof(struct wire_ended) == 64, "wire");

#endif
