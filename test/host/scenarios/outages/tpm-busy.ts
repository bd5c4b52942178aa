import { equal, match, ok } from 'node:assert/strict'
import { until } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import { counted, watchedAs } from '../../metrics.ts'
import type { Bench } from '../bench.ts'
import { LEASE_MS, nothingGoverned, saidLong, startLong } from '../long-run.ts'
import { deniedAsLate, ENDED_BY_LAPSE, journalOf } from './denied.ts'

/**
 * Holds /dev/tpm0, which has no resource manager, and with it all the TPM's places for loaded sessions: the kernel gives the sessions of
 * /dev/tpmrm0 a place at each command, and finds none. Ends, and gives them back, at SIGTERM.
 */
const HOLD = `
import os, signal, struct
# What waits for a signal that is not blocked is ended by it, and the sessions would stay until the TPM is reset.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
tpm = os.open('/dev/tpm0', os.O_RDWR)
def ask(code, body, tag=0x8001):
    os.write(tpm, struct.pack('>HII', tag, 10 + len(body), code) + body)
    answer = os.read(tpm, 4096)
    return struct.unpack('>I', answer[6:10])[0], answer[10:]
null = struct.pack('>I', 0x40000007)
held = []
while True:
    status, answer = ask(0x176, null + null + struct.pack('>H', 16) + bytes(16) + struct.pack('>HBHH', 0, 0, 0x10, 0xb))
    if status != 0: break
    held.append(answer[:4])
print(len(held), 'sessions, then', hex(status), flush=True)
signal.sigwait([signal.SIGTERM])
for handle in held: ask(0x165, handle)
`

/** Asks /dev/tpmrm0 for the slowest thing that needs no authorization, an RSA key, again and again, in so many processes. */
const FLOOD = `
import os, struct, sys
body = struct.pack('>I', 0x40000001) + struct.pack('>IIHBH', 9, 0x40000009, 0, 0, 0) + struct.pack('>HHH', 4, 0, 0)
template = struct.pack('>HHIH', 1, 0xb, 0x00030072, 0) + struct.pack('>HHHHHI', 6, 128, 0x43, 0x10, 2048, 0) + struct.pack('>H', 0)
body += struct.pack('>H', len(template)) + template + struct.pack('>HI', 0, 0)
for i in range(int(sys.argv[1])):
    if os.fork() == 0:
        tpm = os.open('/dev/tpmrm0', os.O_RDWR)
        keys = 0
        while True:
            os.write(tpm, struct.pack('>HII', 0x8002, 10 + len(body), 0x131) + body)
            answer = os.read(tpm, 4096)
            if answer[6:10] == bytes(4):
                handle = answer[10:14]
                os.write(tpm, struct.pack('>HII', 0x8001, 14, 0x165) + handle)
                os.read(tpm, 4096)
                keys += 1
                print('process', i, 'has had', keys, 'keys', flush=True)
os.wait()
`

/** Another process has the TPM: nothing fails, evidence ages, and what its age does follows. */
export async function tpmBusy({ steps }: Bench, guest: Guest): Promise<void> {
  await steps.step(
    'root floods /dev/tpmrm0 for half a minute: ATTESTED or STALE, never worse, and no watchdog bites',
    async () => {
      const before = await guest.ok('systemctl show --value -p MainPID writd.service')
      await inBackground(guest, 'flood', FLOOD, '4')
      const seen: string[] = []
      for (let i = 0; i < 3; i++) {
        await guest.ok('sleep 10')
        const { stdout } = await guest.run('writ status --json')
        seen.push(/"state": ?"([A-Z]+)"/.exec(stdout.toString())?.[1] ?? 'no answer')
      }
      await guest.ok('systemctl stop flood.service')
      const keys = [...(await journalOf(guest, 'flood.service')).matchAll(/^process \d+ has had \d+ keys$/gm)]
        .length
      console.log(`           ${keys} keys meanwhile; ${seen.join(' ')}`)
      ok(keys > 4, `${keys} keys`)
      for (const state of seen) match(state, /^(ATTESTED|STALE)$/)
      await until(guest, 'ATTESTED')
      equal(await guest.ok('systemctl show --value -p MainPID writd.service'), before)
    },
  )
  await steps.step('a run is under way when root takes /dev/tpm0 and every session of the TPM', async () => {
    await startLong(guest)
    await inBackground(guest, 'hold', HOLD)
    match(await journalOf(guest, 'hold.service'), /^\d+ sessions, then 0x903$/m)
  })
  await steps.step('it ends within the lease', () => nothingGoverned(guest, LEASE_MS))
  await steps.step('the gate is STALE; status, metrics and journal say so', async () => {
    const { reasons } = await until(guest, 'STALE')
    console.log(`           ${JSON.stringify(reasons)}`)
    await watchedAs(guest, 'STALE', /EVIDENCE_TOO_OLD/)
    await counted(guest, 'writ_tpm_errors_total{code="RC_MEMORY"}')
    match(await journalOf(guest, 'writd.service'), /trust transition.*ATTESTED.*STALE|ATTESTED, to STALE/)
    match(await saidLong(guest), ENDED_BY_LAPSE)
  })
  await steps.step('what was permitted is denied', () => deniedAsLate(guest))
  await steps.step('the TPM is free again: ATTESTED, by itself', async () => {
    await guest.ok('systemctl stop hold.service')
    await until(guest, 'ATTESTED')
    await watchedAs(guest, 'ATTESTED')
  })
}

/** Runs a python program as a service of root's, which says what it has to say before this returns. */
async function inBackground(guest: Guest, name: string, program: string, ...args: string[]): Promise<void> {
  await guest.put(`/run/${name}.py`, program)
  await guest.ok(`systemd-run -q --unit=${name} python3 /run/${name}.py ${args.join(' ')} && sleep 5`)
}
