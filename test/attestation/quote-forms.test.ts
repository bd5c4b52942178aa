import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkPcrValues,
  checkQuote,
  encodeQuoteHistory,
  examineQuote,
  judgeHistory,
  parseCrl,
  parseQuoteHistory,
  QuoteError,
  type QuoteQuestion,
  readClaimedPcrs,
  readQuoteKey,
  readSelectionText,
  readSignatureFormat,
  type SignatureFormat,
  weakness,
} from '../../attestation/index.ts'
import {
  ALG,
  type HashAlgorithm,
  hashId,
  parsePublicArea,
  parseSignature,
  ST_ATTEST_QUOTE,
  TPM_GENERATED,
} from '../../attestation/tpm2/structures/index.ts'
import { derElements, derOid, derSequence, firstDerElement } from '../../encoding/der.ts'
import { WritError } from '../../encoding/error.ts'
import { fixture, recordedHost } from './recorded-host.ts'
import { AK_ATTRIBUTES, CLOCK, encodeAttest, sized, u16, u32 } from './software-quote.ts'

const NONCE = Buffer.from('0102')
const TEXT = 'sha1:0+sha256:0,7+sha512:23'
const VALUES = new Map<HashAlgorithm, Map<number, Buffer>>([
  ['sha1', new Map([[0, Buffer.alloc(20, 1)]])],
  [
    'sha256',
    new Map([
      [0, Buffer.alloc(32, 2)],
      [7, Buffer.alloc(32, 3)],
    ]),
  ],
  ['sha512', new Map([[23, Buffer.alloc(64, 4)]])],
])

/** A quote over several banks, to be signed by any key. */
function attestBy(hash: HashAlgorithm): Buffer {
  const joined = Buffer.concat([...VALUES.values()].flatMap(values => [...values.values()]))
  return encodeAttest({
    magic: TPM_GENERATED,
    type: ST_ATTEST_QUOTE,
    qualifiedSigner: Buffer.alloc(34),
    extraData: NONCE,
    clock: CLOCK,
    firmwareVersion: 1n,
    pcrSelection: readSelectionText(TEXT) ?? [],
    pcrDigest: createHash(hash).update(joined).digest(),
  })
}

function eccArea(key: KeyObject, curve: number, hash: HashAlgorithm): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return Buffer.concat([
    u16(ALG.ECC, ALG.SHA256),
    u32(AK_ATTRIBUTES),
    u16(0, ALG.NULL, ALG.ECDSA, hashId(hash), curve, ALG.NULL),
    ...[x, y].map(coordinate => sized(Buffer.from(coordinate, 'base64url'))),
  ])
}

function rsaArea(key: KeyObject, scheme: number, hash: HashAlgorithm, bits = 2048): Buffer {
  const { n = '' } = key.export({ format: 'jwk' })
  return Buffer.concat([
    u16(ALG.RSA, ALG.SHA256),
    u32(AK_ATTRIBUTES),
    u16(0, ALG.NULL, scheme, hashId(hash), bits),
    u32(0),
    sized(Buffer.from(n, 'base64url')),
  ])
}

function verify(
  area: Uint8Array,
  signature: Uint8Array,
  hash: HashAlgorithm,
  format: SignatureFormat = 'auto',
) {
  const key = readQuoteKey(area)
  const question: QuoteQuestion = {
    key,
    signatureFormat: format,
    extraData: NONCE,
    pcrs: { exactly: readSelectionText(TEXT) ?? [] },
  }
  try {
    const quote = checkQuote({ attest: attestBy(hash), signature }, question)
    checkPcrValues(quote, VALUES)
    return weakness(key, quote) ?? 'verified'
  } catch (error) {
    if (error instanceof QuoteError) return error.code
    throw error
  }
}

describe('a quote by each kind of key, over banks of several hashes', () => {
  it.each([
    ['P-256', 3, 32, 'sha256'],
    ['P-384', 4, 48, 'sha384'],
    ['P-521', 5, 66, 'sha512'],
  ] as const)('ECDSA %s, as TPMT_SIGNATURE, DER and r ‖ s', (namedCurve, id, size, hash) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
    const area = eccArea(publicKey, id, hash)
    const raw = sign(hash, attestBy(hash), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const der = sign(hash, attestBy(hash), { key: privateKey, dsaEncoding: 'der' })
    const tpmt = Buffer.concat([
      u16(ALG.ECDSA, hashId(hash)),
      sized(raw.subarray(0, size)),
      sized(raw.subarray(size)),
    ])
    for (const signature of [tpmt, raw, der]) expect(verify(area, signature, hash)).toBe('verified')
    expect(verify(area, tpmt, hash, 'tpmt')).toBe('verified')
    expect(verify(area, raw, hash, `ecdsa-${hash}-raw`)).toBe('verified')
    // Under another hash than the key's scheme has.
    const other = hash === 'sha256' ? 'sha384' : 'sha256'
    expect(verify(area, raw, hash, `ecdsa-${other}-raw`)).toBe('QUOTE_SIGNATURE_INVALID')
    // A bare public key has no scheme, so a signature says its own.
    expect(verify(publicKey.export({ type: 'spki', format: 'der' }), tpmt, hash)).toBe('verified')
  })

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const PSS = constants.RSA_PKCS1_PSS_PADDING
  const pss = (saltLength: number) =>
    sign('sha256', attestBy('sha256'), { key: rsa.privateKey, padding: PSS, saltLength })
  const tpmtRsa = (scheme: number, signature: Buffer, hash: HashAlgorithm = 'sha256') =>
    Buffer.concat([u16(scheme, hashId(hash)), sized(signature)])

  it('RSASSA, bare and not, with a signature as long as the modulus', () => {
    const area = rsaArea(rsa.publicKey, ALG.RSASSA, 'sha256')
    const signature = sign('sha256', attestBy('sha256'), rsa.privateKey)
    expect(verify(area, tpmtRsa(ALG.RSASSA, signature), 'sha256')).toBe('verified')
    expect(verify(area, signature, 'sha256')).toBe('verified')
    expect(verify(area, tpmtRsa(ALG.RSASSA, signature.subarray(1)), 'sha256')).toBe('QUOTE_SIGNATURE_INVALID')
    const padded = Buffer.concat([Buffer.of(0), signature])
    expect(verify(area, tpmtRsa(ALG.RSASSA, padded), 'sha256')).toBe('QUOTE_SIGNATURE_INVALID')
    expect(verify(area, tpmtRsa(ALG.RSAPSS, pss(32)), 'sha256')).toBe('QUOTE_SIGNATURE_INVALID')
  })

  it('RSAPSS with a salt as long as the digest or as fits, and no other', () => {
    const area = rsaArea(rsa.publicKey, ALG.RSAPSS, 'sha256')
    const longest = 2048 / 8 - 32 - 2
    for (const salt of [32, longest])
      expect(verify(area, tpmtRsa(ALG.RSAPSS, pss(salt)), 'sha256')).toBe('verified')
    for (const salt of [0, 20, 31, 33])
      expect(verify(area, tpmtRsa(ALG.RSAPSS, pss(salt)), 'sha256')).toBe('QUOTE_SIGNATURE_INVALID')
  })

  it('says what is weak: SHA-1, and RSA keys below 2048 bits', () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const by = (key: typeof rsa, hash: HashAlgorithm, bits: number) => {
      const signature = sign(hash, attestBy(hash), key.privateKey)
      return verify(
        rsaArea(key.publicKey, ALG.RSASSA, hash, bits),
        tpmtRsa(ALG.RSASSA, signature, hash),
        hash,
      )
    }
    expect(by(rsa, 'sha1', 2048)).toMatch(/SHA-1/)
    expect(by(small, 'sha256', 1024)).toMatch(/1024 bits/)
  })

  it('refuses keys that are none: a point beside the curve, an even modulus or exponent, a false length', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const beside = eccArea(publicKey, 3, 'sha256')
    beside.writeUInt8(beside.readUInt8(beside.length - 1) ^ 1, beside.length - 1)
    const even = rsaArea(rsa.publicKey, ALG.RSASSA, 'sha256')
    even.writeUInt8(even.readUInt8(even.length - 1) & 0xfe, even.length - 1)
    const exponent = rsaArea(rsa.publicKey, ALG.RSASSA, 'sha256')
    exponent.writeUInt32BE(2, exponent.length - 256 - 2 - 4)
    const short = rsaArea(rsa.publicKey, ALG.RSASSA, 'sha256', 3072)
    for (const area of [beside, even, exponent, short])
      expect(() => readQuoteKey(area)).toThrow(expect.objectContaining({ name: 'StructureError' }))
    expect(() =>
      readQuoteKey(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as unknown as Buffer),
    ).toThrow()
  })

  it.each(['dsa', 'ecdsa-md5-raw', 'rsassa-sha256', ''])('knows no form %j', text => {
    expect(readSignatureFormat(text)).toBeUndefined()
  })
})

describe('a history of quotes', () => {
  const quote = { clock: CLOCK, firmwareVersion: 7n, extraData: NONCE }
  const host = `000b${'ab'.repeat(32)}`
  const first = judgeHistory(null, host, quote, '2026-11-21T12:00:00.000Z').next
  const bytes = first === null ? Buffer.alloc(0) : encodeQuoteHistory(first)

  it('comes back as it was, and forgets the oldest nonces only', () => {
    expect(parseQuoteHistory(bytes)).toEqual(first)
    let history = first
    for (let i = 0; i < 1100; i++) {
      const extraData = Buffer.from(`nonce ${i}`)
      const clock = { ...CLOCK, clock: CLOCK.clock + BigInt(i) }
      history = judgeHistory(history, host, { ...quote, clock, extraData }, '2026-11-21T12:00:00.000Z').next
    }
    expect(history?.nonces).toHaveLength(1024)
    expect(parseQuoteHistory(history === null ? bytes : encodeQuoteHistory(history))).toEqual(history)
  })

  it('is not extended by what it refuses, and is of one host', () => {
    const again = judgeHistory(first, host, quote, '2026-11-21T12:00:00.000Z')
    expect(again).toMatchObject({ nonceRepeated: true, next: first })
    const back = {
      ...quote,
      extraData: Buffer.from('new'),
      clock: { ...CLOCK, resetCount: CLOCK.resetCount - 1 },
    }
    expect(judgeHistory(first, host, back, '2026-11-21T12:00:00.000Z')).toMatchObject({
      clock: 'rollback-reset',
      next: first,
    })
    expect(() => judgeHistory(first, `000b${'cd'.repeat(32)}`, quote, '')).toThrow(TypeError)
  })

  it.each([
    ['cut', (text: string) => text.slice(0, -1)],
    ['of another form', (text: string) => text.replace('history-v1', 'history-v2')],
    ['with a field more', (text: string) => text.replace('{"format"', '{"more":1,"format"')],
    [
      'with a clock beyond 64 bits',
      (text: string) => text.replace('"clock":"1000"', `"clock":"${1n << 64n}"`),
    ],
    ['of no host', (text: string) => text.replace(host, 'host')],
  ])('is refused when it is %s', (_, change) => {
    const wrong = expect.objectContaining({ name: 'QuoteInputError', code: 'QUOTE_HISTORY_MALFORMED' })
    expect(() => parseQuoteHistory(Buffer.from(change(bytes.toString())))).toThrow(wrong)
  })
})

describe('readers of what is beside a quote', () => {
  const { evidence, expected } = recordedHost('debian13-uki')
  const samples = [
    ...[evidence.quote.attest, evidence.quote.signature, expected.ak.publicArea].map(bytes =>
      Buffer.from(bytes),
    ),
    ...['ak.pem', 'ek-rsa.der', 'ek-ecc.der', 'pcrread.txt', 'quote.pcrs'].map(name =>
      fixture('debian13-uki', name),
    ),
  ]
  const onlyOwnErrors = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof WritError)) throw error
    }
  }
  /** One of the samples with some bytes changed, cut or repeated. */
  const mutated = fc
    .tuple(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      fc.nat(),
    )
    .map(([sample, changes, cut]) => {
      const bytes = Buffer.from(sample)
      for (const [at, value] of changes) bytes.writeUInt8(value, at % bytes.length)
      return cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes
    })

  it('give only their own errors, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), bytes => {
        for (const read of [
          readQuoteKey,
          readClaimedPcrs,
          parseQuoteHistory,
          parseCrl,
          parsePublicArea,
          parseSignature,
        ])
          onlyOwnErrors(() => read(bytes))
        for (const read of [firstDerElement, derElements, derSequence]) onlyOwnErrors(() => read(bytes))
        onlyOwnErrors(() => derOid(firstDerElement(bytes)))
        readSelectionText(Buffer.from(bytes).toString('latin1'))
      }),
      { numRuns: 400 },
    )
  })

  it('examineQuote never throws, and never verifies a changed quote', () => {
    const key = readQuoteKey(expected.ak.publicArea)
    const question = {
      key,
      ...{
        signatureFormat: 'auto' as const,
        name: null,
        extraData: expected.extraData,
        pcrs: { atLeast: [] },
      },
      ...{
        claimedPcrs: null,
        reference: null,
        history: null,
        time: '2026-11-21T12:00:00.000Z',
        refuseWeak: false,
      },
      logs: { eventLog: null, userspaceLog: null, imaLog: null },
    }
    const attest = Buffer.from(evidence.quote.attest)
    fc.assert(
      fc.property(mutated, bytes => {
        const same = bytes.equals(attest)
        const found = examineQuote({
          ...question,
          quote: { attest: bytes, signature: evidence.quote.signature },
        })
        expect(found.verified).toBe(same)
        const logs = { eventLog: bytes, userspaceLog: bytes, imaLog: bytes }
        expect(examineQuote({ ...question, quote: evidence.quote, logs }).verified).toBe(false)
      }),
      { numRuns: 200 },
    )
  })
})
