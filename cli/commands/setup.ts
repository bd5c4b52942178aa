import { type Command, Option } from 'commander'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { setUsualUmask } from '../files.ts'
import type { Output } from '../output.ts'
import { printable, styled, styledError } from '../output.ts'
import { liveProbes } from '../probe/index.ts'
import { completeAnswers } from '../setup/answers.ts'
import { answersText } from '../setup/answers-text.ts'
import { Person } from '../setup/ask.ts'
import { Authority } from '../setup/authority.ts'
import { whatToBackUp } from '../setup/back-up.ts'
import { setupFiles } from '../setup/files.ts'
import { answersOf, type SetupOptions } from '../setup/options.ts'
import { askQuestions } from '../setup/questions.ts'
import { runSetup, type SetupResult, type Watcher } from '../setup/run.ts'
import { SETUP_FORM, setupJson, setupStatus, stepHeading, stepLines } from '../setup/shown.ts'

interface Options extends SetupOptions {
  stage: 'all' | 'image' | 'first-boot'
  printAnswers?: boolean
  dryRun?: boolean
  yes?: boolean
  ask?: boolean
}

export function addSetup(program: Command): void {
  const command = addCommand(
    program,
    'setup',
    'Make this a governed host: look at it, give it an identity, keys, documents and a configuration, start the daemons, and run a first governed program. What is done is left alone, so it can be repeated.',
    `writ setup
     writ setup --answers answers.toml --json
     writ setup --operator-key operator.pub --trust trust.json --policy policy.json --reference reference.json --yes
     writ setup --stage image --answers answers.toml
     writ setup --print-answers > answers.toml`,
    [{ fields: SETUP_FORM }, { when: 'with --print-answers', fields: { text: 'text' } }],
  )
    .option('--answers <file>', 'TOML file of answers; nobody is asked')
    .option('--print-answers', 'print the answers as a file with every key explained, and do nothing')
    .addOption(
      new Option('--stage <which>', 'what is done: all; what goes into an image; the rest at its first boot')
        .choices(['all', 'image', 'first-boot'])
        .default('all'),
    )
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--yes', 'ask nobody, and take what is offered')
    .option('--ask', 'ask for what the file of answers leaves open')
    .option(
      '--operator-key <file>',
      "the operator's public key, made elsewhere (or a private one, which signs)",
    )
    .option('--release-key <file>', 'the public key that signs artifacts, made elsewhere')
    .option(
      '--sign-command <command>',
      'what signs for an --operator-key that is public: it gets the bytes on standard input and writes the signature to standard output; no shell',
    )
    .option('--passphrase-env <name>', 'environment variable that holds the passphrase of the keys')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the keys')
    .option('--trust <file>', 'signed trust roots')
    .option('--policy <file>', 'signed policy bundle')
    .addOption(
      new Option(
        '--policies <choice>',
        'whether policies that somebody has put into the directory for them are signed',
      ).choices(['refuse', 'take']),
    )
    .option('--reference <file>', 'signed reference values')
    .option('--hardware-root <file>', "certificate of the TPM's maker")
    .addOption(
      new Option(
        '--simulated <choice>',
        'whether to go on with a TPM that is simulated or of unknown kind',
      ).choices(['deny', 'allow']),
    )
    .option(
      '--tpm <where>',
      'device:PATH for a TPM of this host, swtpm:PATH for the socket of a simulated one',
    )
    .option('--owner-auth-env <name>', "environment variable with the TPM's owner authValue, if it has one")
    .option('--endorsement-auth-env <name>', 'the same of the endorsement hierarchy')
    .option('--user <name|uid[:gid]>', 'the user that the daemon runs as')
    .option('--etc <directory>', 'where configuration, keys and documents are')
    .option('--state-dir <directory>', "the daemon's state directory")
    .option(
      '--credentials <directory>',
      "where the host's secrets are kept as root's; none: in the state directory",
    )
    .option('--socket <path>', "the daemon's socket")
  addNote(
    command,
    'An option counts before the file of answers. Without both, what cannot be found out is asked at the terminal.\n' +
      'Nothing is overwritten, and nothing is made weaker than it is shipped unless it is said in so many words.\n' +
      'Exit status: 0 when every step is done, changed or not (--json tells); 1 when a step failed, or waits for a reboot, a signature or a start,\n' +
      'after which the same command goes on; 2 wrong use. With --dry-run 0 says only that no step would fail: `complete` and `waiting` of --json say\n' +
      'whether all is done, and what it would wait for.',
  )
  setAction<Options>(command, async ({ options, output }) => {
    const given = await answersOf(options)
    if (options.printAnswers === true) {
      const text = answersText(completeAnswers(given))
      output.result({ text }, () => text.trimEnd().split('\n'))
      return undefined
    }
    setUsualUmask()
    const trial = options.dryRun === true
    const person = wantsPerson(options, output) ? Person.atTerminal() : null
    if (person === null && wantsPerson(options, output) && !trial)
      throw new CliError('USAGE', 'there is nobody to ask', {
        next: 'Give --answers FILE (`writ setup --print-answers` makes one), or --yes.',
      })
    const first = completeAnswers(given)
    const probes = liveProbes({ tpm: first.tpm.where, socket: first.places.socket })
    const answers =
      person === null || trial || options.stage === 'image'
        ? first
        : await askQuestions(person, given, probes)
    const files = setupFiles(answers)
    const ask =
      person === null ? null : (question: string, again: boolean) => person.passphrase(question, again)
    const authority = new Authority(answers, files, ask)
    const result = await runSetup(
      { answers, stage: options.stage, files, authority, probes },
      { watcher: watcher(output, person, trial), trial },
    )
    const backUp = trial ? [] : whatToBackUp(answers)
    output.result(setupJson(result, backUp), () => closing(result, backUp, trial))
    return setupStatus(result, trial)
  })
}

/** Whether somebody is to be asked: unless all is said, or a program reads the result. */
function wantsPerson({ answers, ask, yes }: Options, output: Output): boolean {
  if (yes === true || (output.json && ask !== true)) return false
  return answers === undefined || ask === true
}

/** Tells a person what is going on, and asks before the first change. */
function watcher(output: Output, person: Person | null, trial: boolean): Watcher {
  let agreed = person === null || trial
  const write = (lines: readonly string[]) => {
    if (!output.json) process.stdout.write(lines.map(line => `${line}\n`).join(''))
  }
  return {
    looking: step => write(stepHeading(step)),
    goOn: async (_, found) => {
      if (found.state !== 'to do') return true
      write([...found.found, ...found.will.map(line => `will: ${line}`)].map(line => `  ${printable(line)}`))
      if (agreed || person === null) return true
      process.stderr.write(
        `${styledError('bold', 'Nothing was changed so far.')} What is captured later is what this host has to stay: go on only if it is as it should be.\n`,
      )
      agreed = await person.yes('Go on?', false)
      return agreed
    },
    over: (_, result) =>
      write(
        stepLines(result.state === 'changed' || result.did.length > 0 ? { ...result, found: [] } : result),
      ),
  }
}

function closing(
  { complete, waiting, steps }: SetupResult,
  backUp: readonly string[],
  trial: boolean,
): string[] {
  const failed = steps.some(({ state }) => state === 'failed')
  if (trial && failed) return ['', styled('red', 'it would fail as it is')]
  if (trial && waiting !== null)
    return ['', `nothing was changed; ${styled('yellow', 'it would wait')}: ${printable(waiting.next)}`]
  if (trial) return ['', complete ? 'nothing is to be done' : 'nothing was changed']
  if (failed)
    return [
      '',
      `${styled('red', 'not complete')}: mend it, and run \`writ setup\` again; it goes on from there`,
    ]
  if (waiting !== null) return ['', `${styled('yellow', 'not complete yet')}: ${waiting.next}`]
  if (!complete) return ['', 'not complete']
  return [
    '',
    styled(['bold', 'green'], 'this host is governed'),
    ...(backUp.length === 0 ? [] : ['', 'keep elsewhere:', ...backUp.map(line => `  ${line}`)]),
    '',
    'from here: writ status, writ lineage tail, writ issue --help, writ doctor',
  ]
}
