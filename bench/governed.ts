import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import {
  encodeReferenceValues,
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
} from '../attestation/index.ts'
import { MAX_REVOKED_AT_ONCE, signDocument, signRevocation } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import { api, WritClient } from '../proto/client.ts'
import { parseEnvelope } from '../signing/dsse.ts'
import { readPrivateKey } from '../signing/key.ts'
import { GovernedHost, NEEDS_ROOT, WRITD } from '../test/system/governed-host.ts'
import { CannotRun } from './measure.ts'

/** No caller may want more than is measured here; everything else is as the shipped file has it. */
const CONFIG = {
  attestation: 'cycle_seconds = 10\nmax_evidence_age_seconds = 30',
  quota: [
    'requests_per_second = 1000000',
    'request_burst = 10000000',
    'bytes_per_second = 107374182400',
    'byte_burst = 107374182400',
  ].join('\n'),
  minting: 'enabled = true',
}

/** Files that the reference values list, as of a distribution with a few large packages. */
const LISTED_FILES = 20_000

/** A whole governed host, real processes on a simulated TPM, with one connection to it. */
export class Governed {
  readonly host: GovernedHost
  readonly client: WritClient
  #policyVersion = 1
  #revocationEpoch = 0

  private constructor(host: GovernedHost) {
    this.host = host
    this.client = new WritClient(host.socket)
  }

  /** With a policy set of ten. @throws CannotRun unless root */
  static async start(): Promise<Governed> {
    if (NEEDS_ROOT !== null) throw new CannotRun(NEEDS_ROOT)
    const governed = new Governed(await GovernedHost.start({ config: CONFIG, beforeStart: listFiles }))
    try {
      await governed.loadPolicies(policySet(10))
      await governed.#startAsInstalled()
      return governed
    } catch (error) {
      await governed.close()
      throw error
    }
  }

  /** As under a service manager that gives it a cache directory, which its first start has filled. */
  async #startAsInstalled(): Promise<void> {
    const cache = this.host.path('cache')
    mkdirSync(cache, { mode: 0o700 })
    chownSync(cache, WRITD.uid, WRITD.gid)
    for (let start = 0; start < 2; start++) {
      await this.host.stopDaemon()
      await this.host.startDaemon()
      await this.host.attested()
    }
  }

  /** Puts a policy set in force. */
  async loadPolicies(policies: Readonly<Record<string, string>>): Promise<void> {
    const version = ++this.#policyVersion
    const directory = this.host.path(`policies-${version}`)
    mkdirSync(directory)
    for (const [id, text] of Object.entries(policies)) writeFileSync(`${directory}/${id}.cedar`, text)
    const [key, out] = [this.host.path('operator.key'), `${directory}.json`]
    await this.host.ok(
      ...['policy', 'sign', directory, '--version', `${version}`, '--valid', 'any'],
      ...['--key', key, '--out', out],
    )
    await this.client.call(api.governance.LoadPolicy, { envelope: readFileSync(out) })
  }

  /** Each revocation of this host has one above all before. */
  nextRevocationEpoch(): number {
    return ++this.#revocationEpoch
  }

  /** Revokes so many artifacts that there are not. */
  async revoke(count: number): Promise<void> {
    const key = readPrivateKey(readFileSync(this.host.path('operator.key'), 'utf8'))
    for (let done = 0; done < count; ) {
      const some = Math.min(MAX_REVOKED_AT_ONCE, count - done)
      const revoke = Array.from({ length: some }, (_, i) => ({
        kind: 'artifact' as const,
        digest: sha256Hex(Buffer.from(`revoked ${done + i}`)),
      }))
      const envelope = signRevocation({ version: 1, epoch: this.nextRevocationEpoch(), revoke }, key)
      await this.client.call(api.governance.Revoke, { envelope })
      done += some
    }
  }

  /** An artifact for a program with these arguments, good for more uses than are measured. */
  async artifact(name: string, argv: readonly string[], options: readonly string[] = []): Promise<Buffer> {
    return readFileSync(await this.host.issue(name, argv, ['--uses', '1000000', ...options]))
  }

  async close(): Promise<void> {
    this.client.close()
    await this.host.close()
  }
}

/** Adds files that there are not to the reference values that the daemon will begin with. */
function listFiles(host: GovernedHost): void {
  const path = host.path('reference.json')
  const operator = readPrivateKey(readFileSync(host.path('operator.key'), 'utf8'))
  const bytes = readFileSync(path)
  const { document } = parseReferenceValues(parseEnvelope(bytes, bytes.length).payload)
  const more = Array.from({ length: LISTED_FILES }, (_, i) => ({
    path: `/usr/lib/python3/dist-packages/a-package/of-some-length/module-${i}.py`,
    digests: [`sha256:${randomBytes(32).toString('hex')}`],
  }))
  const ima = { ...document.ima, files: [...document.ima.files, ...more] }
  const payload = encodeReferenceValues({ ...document, ima })
  writeFileSync(path, signDocument(REFERENCE_VALUES_TYPE, payload, operator, MAX_REFERENCE_ENVELOPE_BYTES))
}

/**
 * So many policies, of which the last permits. The others are for other users, or forbid something else: each tenth has conditions that
 * are evaluated for every request.
 */
export function policySet(count: number): Record<string, string> {
  const policies: Record<string, string> = {}
  for (let i = 0; i < count - 1; i++) {
    policies[`policy-${String(i).padStart(4, '0')}`] =
      i % 10 === 9
        ? `forbid (principal, action, resource) when { context.request.network == "net-${i}" };\n`
        : `permit (principal == Writ::User::"${100_000 + i}", action == Writ::Action::"Execute", resource)\n` +
          'when { context.attestation.ageMs < 30000 };\n'
  }
  policies.permitted = 'permit (principal, action, resource) when { context.attestation.ageMs < 60000 };\n'
  return policies
}
