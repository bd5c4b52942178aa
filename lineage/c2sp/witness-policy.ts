import { utf8ToString } from '../../encoding/text.ts'
import { LineageError } from '../error.ts'
import { type LogNoteKey, type NoteKey, parseNoteKey, type WitnessNoteKey } from './note-key.ts'

/** A log that a policy accepts: its key's name is the origin that its checkpoints have to state. */
export interface PolicyLog {
  readonly key: LogNoteKey
  /** As the policy has it; undefined where it names none. Nothing here looks into it. */
  readonly url: string | undefined
}

/** A witness that a policy knows by a name of its own. */
export interface PolicyWitness {
  /** Octets, one to a character: names are compared as they stand, whatever their encoding. */
  readonly name: string
  readonly key: WitnessNoteKey
  readonly url: string | undefined
}

/** Witnesses and groups of which at least so many have to have witnessed. */
export interface PolicyGroup {
  readonly name: string
  readonly threshold: number
  readonly members: readonly (PolicyWitness | PolicyGroup)[]
}

/** Which checkpoints are good enough (C2SP tlog-policy). */
export interface WitnessPolicy {
  /** Empty where whoever reads the policy knows the log from elsewhere. */
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  readonly groups: readonly PolicyGroup[]
  /** What has to have witnessed; null of `quorum none`. */
  readonly quorum: PolicyWitness | PolicyGroup | null
}

/** Far above what the specification asks to be supported: 32 logs, 32 witnesses, 32 groups ("Implementation limits"). */
const MAX_OF_A_KIND = 256
/** Most bytes of a policy: a witness line with an ML-DSA-44 key has 1.8 kB. */
export const MAX_POLICY_BYTES = 1 << 20
/** Not to be defined, and no member of a group; as a quorum, no cosignature is asked for. */
const NONE = 'none'

/** Reads one line after another; `line` is the one that it is at, from 1. */
class PolicyReader {
  readonly logs: PolicyLog[] = []
  readonly witnesses: PolicyWitness[] = []
  readonly groups: PolicyGroup[] = []
  quorum: PolicyWitness | PolicyGroup | null | undefined
  line = 0
  readonly #named = new Map<string, PolicyWitness | PolicyGroup>()
  readonly #members = new Set<string>()

  fail(what: string, cause?: unknown): LineageError {
    return new LineageError('POLICY_MALFORMED', `witness policy, line ${this.line}: ${what}`, {
      at: `line ${this.line}`,
      cause,
    })
  }

  take(items: readonly string[]): void {
    const [keyword, ...rest] = items
    if (keyword === 'log') this.#log(rest)
    else if (keyword === 'witness') this.#witness(rest)
    else if (keyword === 'group') this.#group(rest)
    else if (keyword === 'quorum') this.#quorum(rest)
    else throw this.fail('it begins with none of log, witness, group and quorum')
  }

  #log([vkey, url, ...more]: readonly string[]): void {
    if (vkey === undefined || more.length > 0) throw this.fail('not log <vkey> [<url>]')
    const key = this.#key(vkey)
    if (key.kind !== 'log') throw this.fail('the key of a witness, not of a log')
    if (this.logs.some(log => log.key.material === key.material))
      throw this.fail('a log of this key is there already')
    this.#room(this.logs)
    this.logs.push({ key, url })
  }

  #witness([name, vkey, url, ...more]: readonly string[]): void {
    if (name === undefined || vkey === undefined || more.length > 0)
      throw this.fail('not witness <name> <vkey> [<url>]')
    const key = this.#key(vkey)
    if (key.kind !== 'witness') throw this.fail('the key of a log, not of a witness')
    if (this.witnesses.some(witness => witness.key.material === key.material))
      throw this.fail('a witness of this key is there already')
    this.#room(this.witnesses)
    const witness = { name, key, url }
    this.#define(name, witness)
    this.witnesses.push(witness)
  }

  #group([name, count, ...names]: readonly string[]): void {
    if (name === undefined || count === undefined || names.length === 0)
      throw this.fail('not group <name> all|any|<k> <name>...')
    const members = names.map(member => this.#find(member))
    for (const member of names) {
      if (this.#members.has(member)) throw this.fail(`${shown(member)} is a member already`)
      this.#members.add(member)
    }
    const threshold = count === 'all' ? names.length : count === 'any' ? 1 : decimal(count)
    if (threshold < 1 || threshold > names.length)
      throw this.fail(`the threshold is not all, any or a number from 1 to ${names.length}`)
    this.#room(this.groups)
    const group = { name, threshold, members }
    this.#define(name, group)
    this.groups.push(group)
  }

  #quorum([name, ...more]: readonly string[]): void {
    if (name === undefined || more.length > 0) throw this.fail('not quorum <name>')
    if (this.quorum !== undefined) throw this.fail('there is a quorum already')
    this.quorum = name === NONE ? null : this.#find(name)
  }

  #find(name: string): PolicyWitness | PolicyGroup {
    const found = this.#named.get(name)
    if (found === undefined) throw this.fail(`${shown(name)} is no witness or group of a line before`)
    return found
  }

  #define(name: string, it: PolicyWitness | PolicyGroup): void {
    if (name === NONE) throw this.fail('the name none is taken')
    if (this.#named.has(name)) throw this.fail(`${shown(name)} is defined already`)
    this.#named.set(name, it)
  }

  #key(octets: string): NoteKey {
    try {
      return parseNoteKey(utf8ToString(Buffer.from(octets, 'latin1'), 'key'))
    } catch (cause) {
      throw this.fail('not a key in the text form name+id+key', cause)
    }
  }

  #room(of: readonly unknown[]): void {
    if (of.length >= MAX_OF_A_KIND) throw this.fail(`more than ${MAX_OF_A_KIND} of a kind`)
  }
}

/**
 * Reads a policy file (C2SP tlog-policy, "Policy file syntax and structure"). It is read as octets: names and addresses are not decoded, so
 * that no two spellings of a name are one.
 *
 * @param bytes the file of the person who verifies
 * @throws LineageError `POLICY_MALFORMED` with the line in `at`
 */
export function parseWitnessPolicy(bytes: Buffer): WitnessPolicy {
  const reader = new PolicyReader()
  if (bytes.length > MAX_POLICY_BYTES)
    throw new LineageError(
      'POLICY_MALFORMED',
      `witness policy: ${bytes.length} bytes, at most ${MAX_POLICY_BYTES}`,
    )
  const lines = bytes.toString('latin1').split('\n')
  const rest = lines.pop()
  for (const line of lines) {
    reader.line++
    // 0x09, 0x20-0x7E and 0x80-0xFF ("Character set").
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(line)) throw reader.fail('a control character')
    const items = line.split(/[ \t]+/).filter(item => item !== '')
    if (items.length > 0 && !items[0]?.startsWith('#')) reader.take(items)
  }
  reader.line++
  // A file that was cut must not read as another policy.
  if (rest !== '') throw reader.fail('it does not end in a newline')
  const { logs, witnesses, groups, quorum } = reader
  if (quorum === undefined) throw reader.fail('there is no quorum line')
  return { logs, witnesses, groups, quorum }
}

function decimal(text: string): number {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : 0
}

/** A name for a message. */
function shown(name: string): string {
  return JSON.stringify(Buffer.from(name, 'latin1').toString('utf8').slice(0, 100))
}
