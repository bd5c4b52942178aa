import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ALICE, PROGRAMS } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import { ok } from '../../processes.ts'
import { type Bench, known } from '../bench.ts'

export const UNIT = 'digits.service'
const PORT = 8080
const SERVER = `${PROGRAMS}/inference`
const WEIGHTS = `${PROGRAMS}/weights`
const ARTIFACT = '/run/digits.artifact.json'
const ASKED = '/run/ask.log'
/** How long somebody asks, if nobody stops it. */
const ASK_SECONDS = 3600

const HERE = import.meta.dirname
const CLASSIFIER = join(HERE, '../../../../demo/classifier')
const PAGE = join(HERE, '../../../../docs/units.md')

/** What came of one request. */
export interface Answer {
  /** Of the process that answered; empty where the request failed. */
  readonly instance: string
  readonly milliseconds: number
  readonly line: string
}

/** Trains the network outside, and puts server, weights, artifact, unit and what is asked into the guest. */
export async function prepareService({ operator, ...bench }: Bench, guest: Guest): Promise<void> {
  const sources = ['network.c', 'digits.c'].map(name => join(CLASSIFIER, name))
  const compile = (out: string, ...more: string[]) =>
    ok([
      ...['gcc', '-D_GNU_SOURCE', '-std=gnu17', '-O2', '-ffp-contract=off', '-static', `-I${CLASSIFIER}`],
      ...['-o', operator.path(out), ...more, ...sources, '-lm'],
    ])
  await compile('inference', join(HERE, '../../programs/inference.c'))
  await compile('classifier', join(CLASSIFIER, 'main.c'))
  await ok([operator.path('classifier'), 'train', '1', operator.path('weights')])
  writeFileSync(operator.path('digits'), await ok([operator.path('classifier'), 'draw', '3', '20']))
  for (const name of ['inference', 'weights', 'digits'])
    await guest.put(`${PROGRAMS}/${name}`, operator.read(name), name === 'inference' ? '755' : '644')
  await guest.put(`${PROGRAMS}/ask.py`, readFileSync(join(HERE, '../../programs/ask.py')))
  const artifact = await operator.issue(
    'digits',
    { outside: operator.path('inference'), inGuest: SERVER },
    [`${PORT}`, WEIGHTS],
    [
      ...[
        '--host',
        known({ operator, ...bench }).hostId,
        '--valid',
        '1d',
        '--uses',
        'any',
        '--policy',
        'any',
      ],
      ...['--uid', await guest.ok(`id -u ${ALICE}`), '--unit', UNIT, '--reference-values', 'any'],
      ...['--simulated', 'allow', '--network', 'host'],
    ],
    [{ outside: operator.path('weights'), inGuest: WEIGHTS }],
  )
  await guest.put(ARTIFACT, artifact)
  await guest.put(`/run/systemd/system/${UNIT}`, unit())
  await guest.ok('systemctl daemon-reload')
}

/** The unit of docs/units.md, for this server. */
function unit(): string {
  const example = /```ini\n([\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? ''
  const run = `writ run --artifact ${ARTIFACT} --file ${WEIGHTS} -- ${SERVER} ${PORT} ${WEIGHTS}`
  return example
    .replace(/^User=.*$/m, `User=${ALICE}`)
    .replace(/^ExecStart=.*$/m, `ExecStart=/usr/bin/${run}`)
}

/** Has a user ask for digits in the background. */
export async function startAsking(guest: Guest): Promise<void> {
  await guest.ok(
    `systemd-run -q --unit=ask --uid=${ALICE} -p StandardOutput=file:${ASKED} python3 ${PROGRAMS}/ask.py ${PORT} ${PROGRAMS}/digits ${ASK_SECONDS}`,
  )
}

/** What came of all requests so far. */
export async function answers(guest: Guest): Promise<Answer[]> {
  const lines = (await guest.ok(`cat ${ASKED} 2>/dev/null || true`)).split('\n').filter(Boolean)
  return lines.map(line => {
    const good = /^\S+ 200 ([0-9a-f]{16}) \d+ 20\/20 (\d+)$/.exec(line)
    return { instance: good?.[1] ?? '', milliseconds: Number(good?.[2] ?? Number.NaN), line }
  })
}

/** What a unit has written. */
export function journalOf(guest: Guest, name: string): Promise<string> {
  return guest.ok(`journalctl -b --no-pager -o cat -u ${name}`)
}
