import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Command, Option } from 'commander'
import { generateKey, type KeyAlgorithm, privateKeyToPem, publicKeyToPem } from '../../../signing/key.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { writeDocument } from '../../files.ts'
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
    const files = { private: `${name}.key`, public: `${name}.pub` }
    const passphrase = await readPassphrase(options)
    if (!existsSync(dirname(files.private))) {
      throw new CliError('FILE_MISSING', `there is no directory ${dirname(files.private)}`, {
        at: dirname(files.private),
        next: `Make it first: mkdir -p ${dirname(files.private)}`,
      })
    }
    if (existsSync(files.public)) {
      throw new CliError('FILE_EXISTS', `${files.public} exists and is not overwritten`, { at: files.public })
    }
    const key = generateKey(options.algorithm)
    await writeDocument(files.private, privateKeyToPem(key, passphrase), { mode: 0o600 })
    await writeDocument(files.public, publicKeyToPem(key.public))
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
