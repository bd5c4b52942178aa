import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkQuote, QuoteError, readQuoteKey } from '../../../attestation/index.ts'
import { HAS_TOOL, toolTakes } from './check-quote-tool.ts'

const root = join(process.env.WRIT_FIXTURES ?? '/nonexistent', 'evidence')
const manifest = join(root, 'manifest.json')
const CAN = HAS_TOOL && existsSync(manifest)

/** Where `tpm2_checkquote` 5.4 is known to differ: it takes trailing bytes and keys of any attributes, and verifies no RSAPSS. */
const TOOL_TAKES_MORE: ReadonlySet<string> = new Set(['QUOTE_KEY_UNFIT', 'QUOTE_MALFORMED'])

describe.skipIf(!CAN)('the verdict of tpm2_checkquote (needs tpm2-tools and WRIT_FIXTURES)', () => {
  const entries: { path: string; kind: string; role: string; licence: string }[] = CAN
    ? JSON.parse(readFileSync(manifest, 'utf8')).entries
    : []
  const cases = entries.filter(e => e.kind === 'quote' && e.role === 'case' && e.licence === 'own')

  it('is ours for every quote of signature and nonce, save where it is known to be wrong', () => {
    let compared = 0
    for (const { path } of cases) {
      const given = JSON.parse(readFileSync(join(root, path), 'utf8'))
      if (given.akPublic === undefined || given.attest === undefined || typeof given.nonce !== 'string')
        continue
      const read = (name: string) => readFileSync(join(root, path, '..', name))
      const [attest, signature, area] = [given.attest, given.signature, given.akPublic].map(read)
      if (attest === undefined || signature === undefined || area === undefined) continue
      const key = readQuoteKey(area)
      const nonce = Buffer.from(given.nonce, 'hex')
      const quote = { attest, signature }
      let ours: string | null = null
      try {
        checkQuote(quote, { key, signatureFormat: 'tpmt', extraData: nonce, pcrs: { atLeast: [] } })
      } catch (error) {
        if (!(error instanceof QuoteError)) throw error
        ours = error.code
      }
      const hash = key.area?.scheme?.hash ?? 'sha256'
      const theirs = toolTakes(quote, area, { hash, ...(nonce.length === 0 ? {} : { nonce }) })
      compared++
      const isPss = key.area?.scheme?.algorithm === 0x0016
      if (ours === null) expect([path, theirs]).toEqual([path, !isPss])
      else if (theirs) expect([path, TOOL_TAKES_MORE.has(ours)]).toEqual([path, true])
    }
    expect(compared).toBeGreaterThan(20)
  }, 30_000)
})
