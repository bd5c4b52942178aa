import type { Command } from 'commander'
import { readVersion } from '../../encoding/version.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { EXIT } from '../error.ts'
import { PROPERTY } from '../form.ts'
import { printable, styled } from '../output.ts'
import { type Deviation, type Replayed, replayBundle } from '../replay/replay.ts'
import { allVerified, resultLine } from '../verify/property.ts'
import { addTrustOptions, readTrust, type TrustOptions } from '../verify/trust.ts'

const DEVIATION = {
  index: 'number: its position in the lineage',
  type: 'text: decision or renewal',
  'executionId|null': 'hex',
  outcome: 'text: differs or unknown',
  'at|null': 'text: the first field of the record that differs',
  'recorded|null': 'text: that field as JSON, cut to a length',
  'expected|null': 'text: what it is when it is evaluated again',
  message: 'text',
  'code|null': 'text: what kept it from being evaluated',
} as const

export function addReplay(program: Command): void {
  const command = addCommand(
    program,
    'replay <bundle>',
    'Evaluate every decision of an exported bundle again, and compare the bytes.',
    `writ replay bundle/ --operator-key operator.pub
     writ replay bundle/ --json`,
    {
      replayed: 'boolean: every decision is the same, and what was asked is VERIFIED',
      entries: 'number',
      permits: 'number',
      denials: 'number',
      renewals: 'number: decisions whether something may go on',
      same: 'number',
      counted: 'number: denials of floods, of which only the number is recorded',
      deviations: [DEVIATION],
      recordedBy: ['text: version of the daemon'],
      evaluatedBy: 'text: version of writ',
      properties: [PROPERTY],
    },
  )
  addTrustOptions(command)
  addNote(
    command,
    'It runs wherever there is a copy of the bundle; no decision depends on a clock or a host there. A decision deviates when its recorded\n' +
      'inputs lead to another record, when its entry says something else, or when something that it rests on is missing or altered.\n' +
      'The exit status is 1 if one deviates, if there is none, or if what you gave keys for could not be verified. Without\n' +
      '--operator-key documents are read without their signatures. `writ verify` also checks that the inputs were as the log says.',
  )
  setAction<TrustOptions>(command, async ({ args, options, output }) => {
    const trust = await readTrust(options)
    const result = await replayBundle(args[0] ?? '', trust, done =>
      output.progress(`${done} decisions evaluated again`),
    )
    const replayed = result.deviations.length === 0 && allVerified(result.properties)
    output.result({ replayed, ...result, evaluatedBy: readVersion() }, () => lines(result, replayed))
    return replayed ? EXIT.done : EXIT.refused
  })
}

function lines(result: Replayed, replayed: boolean): string[] {
  const { permits, denials, renewals, same, counted, deviations, recordedBy } = result
  const total = permits + denials + renewals
  const found = `${permits} permits, ${denials} denials and ${renewals} renewals, ${same} of ${total} the same bytes again`
  return [
    ...deviations.map(deviationLine),
    ...(deviations.length > 0 ? [''] : []),
    ...result.properties.map(resultLine),
    '',
    `${replayed ? styled(['bold', 'green'], 'replayed') : styled(['bold', 'red'], 'not replayed')}: ${found}`,
    ...(counted > 0 ? [`${counted} denials of floods were only counted`] : []),
    `recorded by writd ${printable(recordedBy.join(', ') || 'unknown')}, evaluated by writ ${readVersion()}`,
  ]
}

function deviationLine({ index, type, outcome, code, message }: Deviation): string {
  const why = code === null ? '' : `${code}: `
  return `${styled(['bold', 'red'], outcome.padEnd(7))}  ${type} ${index}: ${printable(`${why}${message}`)}`
}
