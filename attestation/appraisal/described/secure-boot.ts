import type { BootKey, SecureBoot } from '../../reference/statements.ts'
import { type Ledger, named, oneOf } from './ledger.ts'
import type { Fact, KeyDatabase, MeasuredEvent, MeasuredKey } from './measured-boot.ts'

const SECURE_BOOT_PCR = 7

/** The databases that the firmware measures before the separator (PFP 1.06, section 3.3.4.8). */
const DATABASES: readonly KeyDatabase[] = ['PK', 'KEK', 'db', 'dbx']

/** The keys that the firmware trusts, and by which of them images were let in. */
export function judgeSecureBoot(ledger: Ledger, said: SecureBoot): void {
  if (!ledger.isDescribed(SECURE_BOOT_PCR)) return
  // Whether it is on is judged by itself; a second SecureBoot is a problem that the event log's replay names.
  ledger.take(SECURE_BOOT_PCR, ({ fact }) => fact?.kind === 'secure-boot')
  for (const database of DATABASES) judgeDatabase(ledger, said, database)
  judgeAuthorities(ledger, said)
}

function judgeDatabase(ledger: Ledger, said: SecureBoot, database: KeyDatabase): void {
  // One each: another one after it is nobody's.
  let first: MeasuredEvent | undefined
  ledger.take(SECURE_BOOT_PCR, event => {
    if (first !== undefined || !isDatabase(event.fact, database)) return false
    first = event
    return true
  })
  const measured = first?.fact
  if (first === undefined || !isDatabase(measured, database)) {
    if (states(said, database)) {
      ledger.fail('SECURE_BOOT_KEY_MISSING', `${database} was not measured`, 'PCR 7', database)
    }
    return
  }
  const { keys } = measured
  if (database === 'dbx') judgeForbidden(ledger, said, first, keys)
  else judgeKeys(ledger, said, database, first, keys)
}

function states(said: SecureBoot, database: KeyDatabase): boolean {
  return listOf(said, database) !== 'any'
}

function listOf({ pk, kek, db, dbx }: SecureBoot, database: KeyDatabase): 'any' | readonly unknown[] {
  if (database === 'dbx') return dbx === 'any' ? 'any' : dbx.atLeast
  return { PK: pk, KEK: kek, db }[database]
}

function judgeKeys(
  ledger: Ledger,
  { pk, kek, db, enabled }: SecureBoot,
  database: 'PK' | 'KEK' | 'db',
  event: MeasuredEvent,
  keys: readonly MeasuredKey[],
): void {
  const listed = { PK: pk, KEK: kek, db }[database]
  if (listed === 'any') return
  const unlisted = keys.filter(key => !isListed(listed, key))
  for (const { name, fingerprint } of unlisted) {
    const what = `${database} holds ${name} (${fingerprint.slice(0, 16)}…), which is not listed`
    ledger.fail('SECURE_BOOT_KEY_UNKNOWN', what, event.at, oneOf(listed.map(key => key.name)) || 'no key')
  }
  // Without an owner anybody can change the other databases.
  if (database === 'PK' && enabled === true && listed.length > 0 && keys.length === 0) {
    const expected = oneOf(listed.map(key => key.name))
    ledger.fail('SECURE_BOOT_KEY_MISSING', 'PK is empty: the platform has no owner', event.at, expected)
  }
}

function judgeForbidden(
  ledger: Ledger,
  { dbx }: SecureBoot,
  event: MeasuredEvent,
  keys: readonly MeasuredKey[],
): void {
  if (dbx === 'any') return
  const there = new Set(keys.map(({ fingerprint }) => fingerprint))
  const missing = dbx.atLeast.filter(fingerprint => !there.has(fingerprint))
  if (missing.length === 0) return
  const what = `dbx lacks ${missing.length} of ${dbx.atLeast.length} entries that it must have`
  ledger.fail('SECURE_BOOT_KEY_MISSING', what, event.at, oneOf(missing))
}

function judgeAuthorities(ledger: Ledger, { authorities, enabled }: SecureBoot): void {
  const measured = ledger.take(SECURE_BOOT_PCR, ({ fact }) => fact?.kind === 'authority')
  if (authorities === 'any') return
  const expected = oneOf(authorities.map(({ name }) => name)) || 'none'
  for (const event of measured) {
    if (event.fact?.kind !== 'authority' || isListed(authorities, event.fact.key)) continue
    const { variable, key } = event.fact
    const what = `${named(event)}: an image was let in by ${key.name} of ${variable}, which is not listed`
    ledger.fail('SECURE_BOOT_AUTHORITY_UNKNOWN', what, event.at, expected)
  }
  if (enabled === true && authorities.length > 0 && measured.length === 0) {
    ledger.fail('SECURE_BOOT_KEY_MISSING', 'no image was let in by any key', 'PCR 7', expected)
  }
}

function isListed(listed: readonly BootKey[], { fingerprint }: MeasuredKey): boolean {
  return listed.some(key => key.fingerprint === fingerprint)
}

function isDatabase(
  fact: Fact | null | undefined,
  name: KeyDatabase,
): fact is Extract<Fact, { kind: 'keys' }> {
  return fact?.kind === 'keys' && fact.database === name
}
