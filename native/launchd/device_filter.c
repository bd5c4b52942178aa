#include "device_filter.h"

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../shared/cleanup.h"

#define ANY_MINOR UINT32_MAX
#define INSTRUCTIONS_PER_RULE 4

/* Documentation/admin-guide/devices.txt. Terminals: what has a terminal may open it again by name. */
static const struct rule {
  uint32_t major;
  uint32_t minor;
} EVERYBODY[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, ANY_MINOR}};

struct program {
  struct bpf_insn code[(sizeof EVERYBODY / sizeof *EVERYBODY + DEVICE_NODES_MAX) * INSTRUCTIONS_PER_RULE + 8];
  uint32_t length;
};

static void emit(struct program *program, uint8_t code, uint8_t to, uint8_t from, int16_t offset, int32_t value)
{
  program->code[program->length++] =
      (struct bpf_insn){.code = code, .dst_reg = to & 0xf, .src_reg = from & 0xf, .off = offset, .imm = value};
}

static void give(struct program *program, int32_t allowed)
{
  emit(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allowed);
  emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* if (major == rule.major && (any minor || minor == rule.minor)) return 1; */
static void allow(struct program *program, struct rule rule)
{
  bool any = rule.minor == ANY_MINOR;
  emit(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, any ? 2 : 3, (int32_t)rule.major);
  if (!any)
    emit(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, 2, (int32_t)rule.minor);
  give(program, 1);
}

static void begin(struct program *program)
{
  program->length = 0;
  emit(program, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
  emit(program, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
  emit(program, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
  /* The low half is the kind of device, the other what is wanted of it. No block device is anybody's. */
  emit(program, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, 2, BPF_DEVCG_DEV_CHAR);
  give(program, 0);
  for (size_t i = 0; i < sizeof EVERYBODY / sizeof *EVERYBODY; i++)
    allow(program, EVERYBODY[i]);
}

static bool attach(struct program *program, int dir, uint32_t flags)
{
  union bpf_attr load, place;
  memset(&load, 0, sizeof load);
  memset(&place, 0, sizeof place);
  give(program, 0);
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = (uint64_t)(uintptr_t)program->code;
  load.insn_cnt = program->length;
  load.license = (uint64_t)(uintptr_t)"Apache-2.0";
  CLEANUP_FD int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (fd < 0)
    return false;
  place.target_fd = (uint32_t)dir;
  place.attach_bpf_fd = (uint32_t)fd;
  place.attach_type = BPF_CGROUP_DEVICE;
  place.attach_flags = flags;
  return syscall(SYS_bpf, BPF_PROG_ATTACH, &place, sizeof place) == 0;
}

bool device_filter_base(int dir)
{
  struct program program;
  begin(&program);
  return attach(&program, dir, BPF_F_ALLOW_OVERRIDE);
}

bool device_filter_leaf(int dir, const struct device_nodes *nodes)
{
  struct program program;
  begin(&program);
  for (size_t i = 0; i < nodes->count; i++)
    allow(&program, (struct rule){major(nodes->items[i].number), minor(nodes->items[i].number)});
  return attach(&program, dir, 0);
}
