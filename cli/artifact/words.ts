import type { Statement } from '../../authorization/index.ts'
import { subjectDigest } from '../../authorization/index.ts'
import { printable } from '../output.ts'

type Predicate = Statement['predicate']
type Limit = 'any' | number

/** What somebody signs with an artifact: every field that allows or limits anything, in words, a line each. Text of the artifact is made safe for a terminal. */
export function artifactInWords(statement: Statement): string[] {
  const { subject, predicate } = statement
  return [
    line('artifact', `${predicate.id}, by ${predicate.issuer}`),
    ...workloadInWords(subject, predicate.scope),
    ...termsInWords(predicate),
  ]
}

/** What would run, and what it could do. */
export function workloadInWords(subject: Statement['subject'], scope: Predicate['scope']): string[] {
  const digests = new Map(subject.map(item => [item.name, subjectDigest(item)]))
  const file = (name: string, path: string, role: string) =>
    line(role, `${path === 'any' ? 'at any path' : shown(path)}  ${digests.get(name) ?? 'no digest'}`)
  const { argv, env, cwd, user, stdio, sandbox, limits, devices, children } = scope
  return [
    file(scope.program.subject, scope.program.path, 'program'),
    ...scope.files.map(({ subject, path, role }) => file(subject, path, role)),
    line('arguments', argv === 'any' ? 'ANY' : argv.map(shown).join(' ')),
    line(
      'environment',
      env === 'any' ? 'ANY' : env.map(({ name, value }) => `${name}=${shown(value)}`).join(' ') || 'empty',
    ),
    line('directory', cwd === 'any' ? 'ANY' : shown(cwd)),
    line('user', userInWords(user)),
    line('streams', stdio === 'any' ? 'any pipes' : `${stdio.stdin}, ${stdio.stdout}, ${stdio.stderr}`),
    line('network', sandbox.network === 'host' ? "the HOST's" : sandbox.network),
    line('system calls', sandbox.seccomp),
    line('writes to', sandbox.writable.map(shown).join(' ') || 'nothing'),
    line('devices', devices.join(' ') || 'none'),
    line('limits', limitsInWords(limits)),
    line('children', childrenInWords(children)),
    ...(scope.detach === true ? [line('detached', 'may go on without its caller')] : []),
  ]
}

function termsInWords(it: Predicate): string[] {
  const { audience, validity, initiator, environment, policy, parent, onLapse } = it
  const callers = Object.entries(initiator)
    .filter(([, limit]) => limit !== 'any')
    .map(([name, limit]) => `${name} ${list(limit)}`)
  return [
    line('valid', `${validity.notBefore} to ${validity.notAfter}`),
    line('uses', String(validity.maxUses)),
    line('hosts', list(audience.hosts)),
    line('labels', list(audience.labels)),
    line('callers', callers.join('; ') || 'ANY'),
    line('parent', parent.execution),
    line('host state', `reference values ${environment.referenceValues}, ${evidence(environment)}`),
    line('policy', policy.digest),
    ...(it.secrets ?? []).map(({ name, descriptor, recipients }) =>
      line(
        'secret',
        `${printable(name)} on descriptor ${descriptor}, sealed for ${list(recipients.map(({ host }) => host))}`,
      ),
    ),
    line('on a lapse', onLapse === 'kill' ? 'killed' : `frozen for at most ${onLapse.freeze.grace} s`),
  ]
}

function evidence({ maxEvidenceAge, simulated, resetCount }: Predicate['environment']): string {
  const age =
    maxEvidenceAge === 'any' ? 'evidence as old as the host allows' : `evidence of ${maxEvidenceAge} s`
  const tpm = simulated === 'deny' ? 'hardware TPM' : 'a SIMULATED TPM will do'
  return `${age}, ${tpm}, ${resetCount === 'any' ? 'any boot' : `the boot with reset count ${resetCount}`}`
}

function userInWords(user: Predicate['scope']['user']): string {
  if (user === 'own') return 'a uid of its own'
  if (user === 'any') return 'ANY but root'
  return `uid ${user.uid}, gid ${user.gid}${user.groups.length === 0 ? '' : `, groups ${user.groups.join(' ')}`}`
}

function limitsInWords(limits: Predicate['scope']['limits']): string {
  const set = Object.entries(limits).filter((entry): entry is [string, number] => entry[1] !== 'any')
  return set.map(([name, value]) => `${name} ${value}`).join(', ') || 'NONE'
}

function childrenInWords(children: Predicate['scope']['children']): string {
  if (children === 'none') return 'none'
  const { max, atOnce, perMinute, depth, programs } = children
  const count = (limit: Limit, what: string) => `${limit === 'any' ? 'any number' : limit} ${what}`
  return `${count(max, 'in all')}, ${count(atOnce, 'at one time')}, ${count(perMinute, 'a minute')}, ${depth} deep, programs ${list(programs)}`
}

/** Plain text as it is; all else quoted, blanks too: in a line of several, where one ends is seen, and none reads as a digest behind it. */
function shown(value: string | { any: true }): string {
  if (typeof value !== 'string') return '<ANY>'
  return /^[\w./:=,+@%-]+$/.test(value) ? value : printable(JSON.stringify(value))
}

function list(limit: 'any' | readonly (string | number)[]): string {
  return limit === 'any' ? 'ANY' : limit.map(item => shown(String(item))).join(' ')
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(12)} ${text}`
}
