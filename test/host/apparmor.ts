import type { Guest } from './guest.ts'

/** The profile of packaging/apparmor. */
export const PROFILE = 'writd'

/** Under what a process runs: `NAME (enforce)`, or `unconfined`. */
export function labelOf(guest: Guest, pid: string): Promise<string> {
  return guest.ok(`cat /proc/${pid}/attr/current`)
}

/** What the kernel has refused anybody under the profile in this boot, a line each, as it stands in the journal. */
export async function refusals(guest: Guest): Promise<string[]> {
  const lines = await guest.ok(
    `journalctl -b -k --no-pager -o cat | grep 'apparmor="DENIED".* profile="${PROFILE}"' || true`,
  )
  return lines.split('\n').filter(Boolean)
}
