import { resolve } from 'node:path'
import { type GivenAnswers, readAnswers } from './answers.ts'

/** Answers as options of the command line. */
export interface SetupOptions {
  answers?: string
  operatorKey?: string
  releaseKey?: string
  signCommand?: string
  passphraseEnv?: string
  passphraseFile?: string
  trust?: string
  policy?: string
  policies?: 'refuse' | 'take'
  reference?: string
  hardwareRoot?: string
  simulated?: 'deny' | 'allow'
  tpm?: string
  ownerAuthEnv?: string
  endorsementAuthEnv?: string
  user?: string
  etc?: string
  stateDir?: string
  credentials?: string
  socket?: string
}

/** What was said: by the file of answers, and before it by options. @throws CliError */
export async function answersOf(options: SetupOptions): Promise<GivenAnswers> {
  const file: GivenAnswers = options.answers === undefined ? {} : await readAnswers(options.answers)
  const path = (value: string | undefined) => (value === undefined ? undefined : resolve(value))
  const credentials = options.credentials === 'none' ? 'none' : path(options.credentials)
  return {
    ...file,
    places: merged(file.places, {
      etc: path(options.etc),
      state_directory: path(options.stateDir),
      credentials,
      socket: path(options.socket),
    }),
    tpm: merged(file.tpm, {
      where: options.tpm,
      hardware_roots: options.hardwareRoot === undefined ? undefined : [resolve(options.hardwareRoot)],
      simulated: options.simulated,
      owner_auth_env: options.ownerAuthEnv,
      endorsement_auth_env: options.endorsementAuthEnv,
    }),
    daemon: merged(file.daemon, { user: options.user }),
    keys: merged(file.keys, {
      operator: path(options.operatorKey),
      release: path(options.releaseKey),
      sign_command: options.signCommand,
      passphrase_env: options.passphraseEnv,
      passphrase_file: path(options.passphraseFile),
    }),
    documents: merged(file.documents, {
      trust: path(options.trust),
      policy: path(options.policy),
      policies: options.policies,
      reference: path(options.reference),
    }),
  }
}

/** What an option says counts; what it leaves open is as the file has it. */
function merged<T extends object>(
  file: T | undefined,
  options: { readonly [K in keyof T]?: T[K] | undefined },
): T {
  const said = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...file, ...Object.fromEntries(said) } as T
}
