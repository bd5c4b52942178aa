import { lchown, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { readAttestationKey, verifyAkCertificate } from '../../../../attestation/index.ts'
import { addCommand, setAction } from '../../../command.ts'
import { readAs, writeDocument } from '../../../files.ts'
import { readPublicIdentity } from '../../../host.ts'
import { readTrustedKey } from '../../../keys.ts'
import { DEFAULT_STATE_DIRECTORY, statePath } from '../../../state-directory.ts'

export function addEnrollInstall(parent: Command): void {
  const command = addCommand(
    parent,
    'install <certificate>',
    "On the host, step 5: check the operator's certificate and put it into the state directory.",
    'writ key enroll install ak-certificate.der --operator-key operator.pub',
    { file: 'text' },
  )
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .requiredOption('--operator-key <file>', "the operator's public key")
  setAction<{ stateDir: string; operatorKey: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operator = await readTrustedKey(options.operatorKey, "the operator's key")
    const identity = await readPublicIdentity(options.stateDir)
    const ak = readAttestationKey(identity.akPublicArea)
    const der = await readAs(path, 'an AK certificate', bytes => {
      verifyAkCertificate(bytes, operator, ak, new Date())
      return bytes
    })
    const target = statePath(options.stateDir, 'akCertificate')
    await writeDocument(target, der, { replace: true })
    const { uid, gid } = await stat(statePath(options.stateDir, 'identity'))
    await lchown(target, uid, gid)
    output.result({ file: target }, () => [`${target}  the daemon sends it along with every report`])
    return undefined
  })
}
