import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Authorization, issueArtifact, parseStatement } from '../../authorization/index.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { readPrivateKey } from '../../signing/key.ts'
import type { GovernedHost } from './governed-host.ts'

/** Signs one more artifact like the template, with an id of its own, valid from now on. */
export type Issue = (change?: (predicate: Authorization) => Authorization) => Buffer

/** Artifacts without the start of a process for each: like the one that `writ issue` made, signed by the same authority. */
export function issuerLike(host: GovernedHost, templatePath: string): Issue {
  const { subject, predicate } = parseStatement(parseEnvelope(readFileSync(templatePath)).payload)
  const subjects = subject.map(({ name, digest }) => ({
    name,
    sha256: 'sha256' in digest ? digest.sha256 : digest.writTreeV1,
  }))
  const key = readPrivateKey(readFileSync(host.path('authority.key'), 'utf8'))
  return (change = same => same) => {
    const validity = { ...predicate.validity, notBefore: new Date().toISOString() }
    const fresh = { ...predicate, id: randomBytes(16).toString('hex'), validity }
    return issueArtifact(subjects, change(fresh), [key])
  }
}
