import type { Command } from 'commander'
import { publicKeyToPem } from '../../../signing/key.ts'
import { addCommand, setAction } from '../../command.ts'
import { readDocument } from '../../files.ts'
import { addPassphraseOptions, type PassphraseOptions, readSigningKey, readTrustedKey } from '../../keys.ts'

export function addKeyShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    'Show the id and the kind of a public or private key.',
    'writ key show keys/operator.pub',
    {
      id: 'digest: of the public key',
      algorithm: 'text',
      private: 'boolean: whether the file holds the private key',
      publicKey: 'text: PEM',
    },
  )
  addPassphraseOptions(command)
  setAction<PassphraseOptions>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const secret = (await readDocument(path, 'a key')).includes('PRIVATE KEY')
    const key = secret
      ? (await readSigningKey(path, 'a private key', options)).public
      : await readTrustedKey(path, 'a public key')
    output.result(
      { id: key.id, algorithm: key.algorithm, private: secret, publicKey: publicKeyToPem(key) },
      () => [
        `id         ${key.id}`,
        `algorithm  ${key.algorithm}`,
        `file       ${secret ? 'private key' : 'public key'}`,
      ],
    )
  })
}
