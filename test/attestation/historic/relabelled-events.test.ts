import { describe, expect, it } from 'vitest'
import { judgeEventLog, parseEventLog, type QuotedPcrs } from '../../../attestation/index.ts'
import {
  EV_EFI_ACTION,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_NO_ACTION,
  EV_SEPARATOR,
  event,
  extend,
  secureBoot,
  separator,
  specId,
  u32le,
  variable,
} from '../tcg-log.ts'

/**
 * Relabelled event types: google/go-attestation docs/event-log-disclosure.md, tpm2-software/tpm2-tools issue 2247, osresearch/safeboot issue 139. A digest binds an
 * event's data (for most types), never its type. Who has the machine after the boot can call earlier events anything, extend new ones, and the log still
 * replays to the quote.
 */
describe('relabelled event types (go-attestation event-log-disclosure, tpm2-tools 2247)', () => {
  const off = variable('SecureBoot', Buffer.of(0))
  const on = variable('SecureBoot', Buffer.of(1))
  const zero = u32le(0)

  /** What a TPM quotes after these data were measured to PCR 7, whatever the log calls them. */
  function judge(events: readonly { type: number; data: Buffer }[], ...more: Buffer[]) {
    const log = Buffer.concat([
      specId(),
      ...events.map(({ type, data }) => event(7, type, data, { digestOf: data })),
      ...more,
    ])
    const parsed = parseEventLog(log)
    const digests = parsed.events
      .filter(({ type }) => type !== EV_NO_ACTION)
      .map(({ digests: d }) => d.get('sha256') as Buffer)
    const quoted: QuotedPcrs = new Map([['sha256', new Map([[7, extend(Buffer.alloc(32), ...digests)]])]])
    return judgeEventLog(parsed, quoted)
  }
  const honest = [
    { type: EV_EFI_VARIABLE_DRIVER_CONFIG, data: off },
    { type: EV_SEPARATOR, data: zero },
  ]

  it('an honest log says that Secure Boot is off', () => {
    expect(judge(honest)).toMatchObject({ verdict: 'accept', secureBoot: false })
  })

  it.each([
    [
      'the variable',
      [
        { type: EV_IPL, data: off },
        { type: EV_SEPARATOR, data: zero },
      ],
    ],
    [
      'the separator',
      [
        { type: EV_EFI_VARIABLE_DRIVER_CONFIG, data: off },
        { type: EV_IPL, data: zero },
      ],
    ],
    [
      'both',
      [
        { type: EV_IPL, data: off },
        { type: EV_IPL, data: zero },
      ],
    ],
  ])(
    '%s under another name, and a Secure Boot of the attacker’s after it, is never Secure Boot',
    (_, relabelled) => {
      const forged = [
        { type: EV_EFI_VARIABLE_DRIVER_CONFIG, data: on },
        { type: EV_SEPARATOR, data: zero },
      ]
      const { verdict, secureBoot: said } = judge([...relabelled, ...forged])
      expect([verdict, said]).not.toEqual(['accept', true])
      expect(verdict).toBe('reject')
    },
  )

  it('data that its digest does not cover selects nothing', () => {
    const log = Buffer.concat([
      specId(),
      event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, on, { digestOf: off }),
      separator(7),
    ])
    expect(judgeEventLog(parseEventLog(log), new Map())).toMatchObject({ verdict: 'reject' })
    const action = event(5, EV_EFI_ACTION, Buffer.from('Exit Boot Services Returned with Success'), {
      digestOf: Buffer.from('x'),
    })
    expect(judgeEventLog(parseEventLog(Buffer.concat([specId(), action])), new Map()).exitBootServices).toBe(
      false,
    )
  })

  it('EV_NO_ACTION hides nothing: what was extended and is called that no longer replays', () => {
    const whole = [secureBoot(0), separator(7)]
    const digests = parseEventLog(Buffer.concat([specId(), ...whole])).events.map(
      ({ digests: d }) => d.get('sha256') as Buffer,
    )
    const hidden = Buffer.concat([specId(), event(7, EV_NO_ACTION, off), separator(7)])
    const quoted: QuotedPcrs = new Map([['sha256', new Map([[7, extend(Buffer.alloc(32), ...digests)]])]])
    expect(judgeEventLog(parseEventLog(hidden), quoted).verdict).toBe('reject')
  })
})
