import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../../command.ts'
import { checkConfiguration } from '../../config/check.ts'
import { type Finding, findingText } from '../../config/findings.ts'
import { DEFAULT_CONFIG } from '../../config/place.ts'
import { EXIT } from '../../error.ts'
import { printable, styled } from '../../output.ts'
import { readOwner } from '../../state-directory.ts'

interface Options {
  launchd?: string
  user?: string
  onlyFiles?: boolean
}

export function addConfigCheck(parent: Command): void {
  const command = addCommand(
    parent,
    'check [file]',
    'Say everything that is wrong with the configuration, and with the files that it names.',
    `writ config check
     writ config check new-writd.toml --launchd launchd.conf --user writ`,
    {
      ok: 'boolean: there is no error; there may be warnings',
      files: ['text: what was looked at'],
      findings: [
        {
          severity: 'text: error or warning',
          code: 'text',
          file: 'text',
          'line|null': 'number',
          'key|null': 'text: section.key',
          message: 'text',
        },
      ],
    },
  )
    .option(
      '--launchd <file>',
      "writ-launchd's configuration (default: launchd.conf beside the file, if it is there)",
    )
    .option(
      '--user <name|uid[:gid]>',
      "the user that the daemon runs as (default: as launchd.conf says, else the state directory's owner)",
    )
    .option('--only-files', 'look at the configuration files alone, not at what they name')
  addNote(
    command,
    `Without a file it is ${DEFAULT_CONFIG}. Access is judged by the modes on the way to each file; run it as root to see all of them.\n` +
      'Exit status: 1 if there is an error. The daemon itself judges only what it needs.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const { launchd, user, onlyFiles } = options
    const { files, findings } = await checkConfiguration(args[0] ?? DEFAULT_CONFIG, {
      launchd,
      user: user === undefined ? undefined : readOwner(user),
      onlyFiles: onlyFiles === true,
    })
    const errors = findings.filter(({ severity }) => severity === 'error').length
    output.result({ ok: errors === 0, files, findings }, () => [
      ...findings.map(findingLine),
      errors === 0
        ? `${styled('green', 'good')}: ${files.length} files, ${count(findings.length, 'warning')}`
        : `${styled('red', count(errors, 'error'))}, ${count(findings.length - errors, 'warning')}`,
    ])
    return errors === 0 ? EXIT.done : EXIT.refused
  })
}

function findingLine(finding: Finding): string {
  const text = printable(findingText(finding))
  return styled(finding.severity === 'error' ? 'red' : 'yellow', text)
}

function count(n: number, what: string): string {
  return n === 1 ? `1 ${what}` : `${n} ${what}s`
}
