import { Argument, type Command } from 'commander'
import { shippedFile } from '../../../encoding/shipped.ts'
import { addCommand, setAction } from '../../command.ts'

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
    const text = shippedFile(args[0] === 'launchd' ? 'launcherConfig' : 'daemonConfig').toString()
    output.result({ text }, () => text.trimEnd().split('\n'))
    return undefined
  })
}
