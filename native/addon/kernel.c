/* What this kernel can do of what Writ builds on, found by trying, and how it believes its clock to be. Nothing stays behind. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "../shared/cleanup.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define LANDLOCK_CREATE_RULESET_VERSION_FLAG 1U

/* The version of Landlock; 0 where the kernel has none or it is switched off (landlock_create_ruleset(2)). */
static int32_t landlock_version(void)
{
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION_FLAG);
  return version < 0 ? 0 : (int32_t)version;
}

static bool has_seccomp(void)
{
  uint32_t action = SECCOMP_RET_KILL_PROCESS;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static bool has_peer_pidfd(void)
{
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return false;
  CLEANUP_FD int one = ends[0];
  CLEANUP_FD int other = ends[1];
  CLEANUP_FD int pidfd = -1;
  socklen_t length = sizeof pidfd;
  (void)other;
  return getsockopt(one, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0;
}

static bool has_memfd(unsigned flags, int seal)
{
  CLEANUP_FD int fd = memfd_create("writ-look", MFD_CLOEXEC | flags);
  return fd >= 0 && (seal == 0 || fcntl(fd, F_ADD_SEALS, seal) == 0);
}

/* Whether a filter of devices can be loaded; without the right to load any that is not known. */
static napi_value device_filter(napi_env env)
{
  struct bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT},
  };
  union bpf_attr load;
  memset(&load, 0, sizeof load);
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = (uint64_t)(uintptr_t)code;
  load.insn_cnt = sizeof code / sizeof *code;
  load.license = (uint64_t)(uintptr_t)"Apache-2.0";
  CLEANUP_FD int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (fd < 0 && errno == EPERM)
    return addon_null(env);
  return addon_bool(env, fd >= 0);
}

/* kernelFeatures(): {landlock, seccomp, peerPidfd, memfdNoexec, sealFutureWrite, deviceFilter} */
static napi_value kernel_features(napi_env env, napi_callback_info info)
{
  (void)info;
  napi_value result;
  NAPI_TRY(env, napi_create_object(env, &result));
  bool set = addon_set(env, result, "landlock", addon_int(env, landlock_version())) &&
             addon_set(env, result, "seccomp", addon_bool(env, has_seccomp())) &&
             addon_set(env, result, "peerPidfd", addon_bool(env, has_peer_pidfd())) &&
             addon_set(env, result, "memfdNoexec", addon_bool(env, has_memfd(MFD_NOEXEC_SEAL, 0))) &&
             addon_set(env, result, "sealFutureWrite",
                       addon_bool(env, has_memfd(MFD_ALLOW_SEALING, F_SEAL_FUTURE_WRITE))) &&
             addon_set(env, result, "deviceFilter", device_filter(env));
  return set ? result : addon_throw(env, "ERR_WRIT_ADDON", "kernelFeatures");
}

/* clockState(): {synchronized, maxErrorUs} — adjtimex(2), which changes nothing here */
static napi_value clock_state(napi_env env, napi_callback_info info)
{
  (void)info;
  struct timex timex = {.modes = 0};
  napi_value result, error;
  if (adjtimex(&timex) < 0)
    return addon_throw_errno(env, errno, "adjtimex");
  NAPI_TRY(env, napi_create_object(env, &result));
  NAPI_TRY(env, napi_create_double(env, (double)timex.maxerror, &error));
  bool set = addon_set(env, result, "synchronized", addon_bool(env, (timex.status & STA_UNSYNC) == 0)) &&
             addon_set(env, result, "maxErrorUs", error);
  return set ? result : addon_throw(env, "ERR_WRIT_ADDON", "clockState");
}

bool addon_register_kernel(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "kernelFeatures", kernel_features) &&
         addon_export(env, exports, "clockState", clock_state);
}
