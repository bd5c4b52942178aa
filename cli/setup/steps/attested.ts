import { setTimeout as sleep } from 'node:timers/promises'
import type { AttestationStatus } from '../../../proto/generated/writ/v1/AttestationStatus.ts'
import { CliError } from '../../error.ts'
import { tierLabelOf } from '../../tier.ts'
import { done, type Step, type StepContext, skipped, toDo } from '../step.ts'

const LOOK_EVERY_MS = 250

/** Waits until the host has shown its state. */
export const attested: Step = {
  name: 'attested',
  title: 'attestation',
  why: 'Nothing is permitted before the TPM has shown that the host is what it should be.',
  async look(context) {
    const { stage, answers, probes } = context
    if (stage === 'image') return skipped('at the first boot')
    const first = await probes.daemon.status()
    if (!first.seen && !answers.service.start) return skipped('the daemon was not started')
    if (first.seen && first.value.state === 'GATE_STATE_ATTESTED') return done(lines(first.value))
    if (first.seen) requireNotFailed(first.value)
    return toDo([`wait until the host is attested, at most ${answers.service.attested_seconds} s`], () =>
      wait(context),
    )
  },
}

async function wait({ answers, probes }: StepContext) {
  const deadline = performance.now() + answers.service.attested_seconds * 1000
  for (;;) {
    const look = await probes.daemon.status()
    if (look.seen && look.value.state === 'GATE_STATE_ATTESTED') return { did: lines(look.value) }
    if (look.seen) requireNotFailed(look.value)
    if (performance.now() > deadline) {
      const what = look.seen ? `is ${stateOf(look.value)}` : `does not answer: ${look.reason}`
      throw new CliError(
        'HOST_UNFIT',
        `the host is not attested after ${answers.service.attested_seconds} s: the daemon ${what}`,
        {
          at: answers.places.socket,
          lines: look.seen ? reasons(look.value) : [],
          next: '`journalctl -b -u writd` and `writ doctor` say more.',
        },
      )
    }
    await sleep(LOOK_EVERY_MS)
  }
}

function requireNotFailed(status: AttestationStatus): void {
  if (status.state !== 'GATE_STATE_FAILED') return
  throw new CliError('HOST_UNFIT', 'the host has FAILED: it is not what its reference values say', {
    lines: reasons(status),
    next: '`writ reference diff` shows what differs; `writ clear --failure` once that is understood.',
  })
}

const stateOf = ({ state }: AttestationStatus) => String(state).replace(/^GATE_STATE_/, '')

function reasons(status: AttestationStatus): string[] {
  return status.reasons.map(({ code, message, at }) => `${code}: ${message}${at === '' ? '' : ` (${at})`}`)
}

function lines(status: AttestationStatus): string[] {
  return [
    `gate           ${stateOf(status)}, ${tierLabelOf(status.tier)}`,
    `host           ${status.hostId}`,
    `secure boot    ${status.secureBoot === undefined ? 'not known' : status.secureBoot ? 'on' : 'off'}`,
  ]
}
