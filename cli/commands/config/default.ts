import { readFileSync } from 'node:fs'
import { Argument, type Command } from 'commander'
import { addCommand, setAction } from '../../command.ts'
import { SHIPPED } from '../../config/place.ts'

export function addConfigDefault(parent: Command): void {
  const command = addCommand(
    parent,
    'default',
    'Print the configuration file as it is shipped: every key, its default, and what it is for.',
    `writ config default > writd.toml
     writ config default launchd > launchd.conf`,
    { text: 'text' },
  ).addArgument(new Argument('[which]', 'whose file').choices(['writd', 'launchd']).default('writd'))
  setAction(command, async ({ args, output }) => {
    const text = readFileSync(args[0] === 'launchd' ? SHIPPED.launchd : SHIPPED.writd, 'utf8')
    output.result({ text }, () => text.trimEnd().split('\n'))
    return undefined
  })
}
