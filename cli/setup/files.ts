import { join } from 'node:path'
import type { Answers } from './answers.ts'

/** Where the setup keeps what it makes. The names are those of the README, so that a host that was set up by hand is found as it is. */
export interface SetupFiles {
  /** writd's configuration, and writ-launchd's. */
  readonly config: string
  readonly launchd: string
  /** Key pairs without their endings. */
  readonly operator: string
  readonly release: string
  readonly trust: string
  readonly policies: string
  readonly policy: string
  /** Reference values before they are signed, and signed. */
  readonly captured: string
  readonly reference: string
  readonly helloArtifact: string
  readonly helloReceipt: string
}

export function setupFiles({ places: { etc } }: Answers): SetupFiles {
  const at = (name: string) => join(etc, name)
  return {
    config: at('writd.toml'),
    launchd: at('launchd.conf'),
    operator: at('operator'),
    release: at('release'),
    trust: at('trust.json'),
    policies: at('policies'),
    policy: at('policy.json'),
    captured: at('captured.json'),
    reference: at('reference.json'),
    helloArtifact: at('hello.artifact.json'),
    helloReceipt: at('hello.receipt.json'),
  }
}
