import { type Command, Option } from 'commander'
import type { KeyAlgorithm } from '../../../signing/key.ts'
import { addCommand, setAction } from '../../command.ts'
import { makeKeyFiles } from '../../key-files.ts'
import { addPassphraseOptions, type PassphraseOptions, readPassphrase } from '../../keys.ts'
import { styled } from '../../output.ts'

interface Options extends PassphraseOptions {
  algorithm: KeyAlgorithm
}

export function addKeyNew(parent: Command): void {
  const command = addCommand(
    parent,
    'new <name>',
    'Make a signing key: NAME.key (private, mode 0600) and NAME.pub. Nothing is overwritten.',
    'writ key new keys/operator --passphrase-env OPERATOR_PASSPHRASE',
    {
      id: 'digest: of the public key',
      algorithm: 'text',
      encrypted: 'boolean',
      files: { private: 'text', public: 'text' },
    },
  ).addOption(
    new Option('--algorithm <name>', 'kind of key').choices(['ed25519', 'ecdsa-p256']).default('ed25519'),
  )
  addPassphraseOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [name = ''] = args
    const passphrase = await readPassphrase(options)
    const { key, files } = await makeKeyFiles(name, options.algorithm, passphrase)
    output.result(
      { id: key.public.id, algorithm: key.public.algorithm, encrypted: passphrase !== undefined, files },
      () => [
        `${styled('bold', files.private)}  private key${passphrase === undefined ? ', not encrypted' : ', encrypted'}`,
        `${styled('bold', files.public)}  public key, ${key.public.algorithm}`,
        `id ${key.public.id}`,
      ],
    )
  })
}
