import { EncodingError, type EncodingErrorCode } from './error.ts'
import { utf8ToString } from './text.ts'

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject
export interface JsonObject {
  [key: string]: JsonValue
}

/** Limits of one parse. The defaults fit an authorization artifact. */
export interface JsonLimits {
  /** Most bytes of input. */
  maxBytes?: number
  /** Most levels of arrays and objects. */
  maxDepth?: number
  /** Whether integers beyond 2^53-1 are read as the nearest double, for texts of other producers in which such numbers may stand. */
  largeIntegers?: boolean
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 section 7 names exactly these.
const PLAIN = /[^"\\\u0000-\u001f]*/y
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/**
 * Parses JSON (RFC 8259) strictly: what two parsers could read differently is refused. Duplicate keys, lone
 * surrogates, a byte order mark, integers beyond 2^53-1 (RFC 7493 section 2.2), numbers out of a double's range and trailing
 * text are all errors. Objects have no prototype, so `__proto__` is an ordinary key.
 *
 * @param bytes controlled by whoever sent them
 * @throws EncodingError with the character offset in `at`
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const { maxBytes = 1 << 20, maxDepth = 32, largeIntegers = false } = limits
  if (bytes.length > maxBytes) {
    throw new EncodingError('TOO_LARGE', `JSON of ${bytes.length} bytes, at most ${maxBytes} are read`)
  }
  return new Parser(utf8ToString(bytes, 'JSON'), { maxDepth, unambiguous: true, largeIntegers }).document()
}

/**
 * Whether bytes are a JSON text by the grammar of RFC 8259 alone: what {@link parseJson} refuses for other reasons, because readers differ on
 * its meaning (repeated keys, lone surrogates, numbers that a double does not hold), still is JSON.
 *
 * @throws EncodingError `BAD_JSON`, `BAD_UTF8`, and `TOO_LARGE` or `TOO_DEEP` where the limits leave it open
 */
export function checkJsonText(bytes: Uint8Array, limits: JsonLimits = {}): void {
  const { maxBytes = 1 << 20, maxDepth = 512 } = limits
  if (bytes.length > maxBytes) {
    throw new EncodingError('TOO_LARGE', `JSON of ${bytes.length} bytes, at most ${maxBytes} are read`)
  }
  new Parser(utf8ToString(bytes, 'JSON'), { maxDepth, unambiguous: false, largeIntegers: true }).document()
}

class Parser {
  readonly #text: string
  readonly #maxDepth: number
  /** Whether texts that readers may understand differently are refused. */
  readonly #unambiguous: boolean
  readonly #largeIntegers: boolean
  #at = 0

  constructor(
    text: string,
    {
      maxDepth,
      unambiguous,
      largeIntegers,
    }: { maxDepth: number; unambiguous: boolean; largeIntegers: boolean },
  ) {
    this.#text = text
    this.#maxDepth = maxDepth
    this.#unambiguous = unambiguous
    this.#largeIntegers = largeIntegers
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#space()
    if (this.#at !== this.#text.length) this.#fail('BAD_JSON', 'text after the value')
    return value
  }

  #fail(code: EncodingErrorCode, what: string, at = this.#at): never {
    throw new EncodingError(code, `JSON: ${what} at character ${at}`, { at: `@${at}` })
  }

  #space(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at)
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return
      this.#at++
    }
  }

  #value(depth: number): JsonValue {
    this.#space()
    const c = this.#text[this.#at]
    if (c === '{') return this.#object(depth + 1)
    if (c === '[') return this.#array(depth + 1)
    if (c === '"') return this.#string()
    if (this.#text.startsWith('true', this.#at)) return this.#word(4, true)
    if (this.#text.startsWith('false', this.#at)) return this.#word(5, false)
    if (this.#text.startsWith('null', this.#at)) return this.#word(4, null)
    return this.#number()
  }

  #word<T>(length: number, value: T): T {
    this.#at += length
    return value
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const match = NUMBER.exec(this.#text)
    if (!match) {
      return this.#fail('BAD_JSON', this.#at < this.#text.length ? 'unexpected character' : 'unexpected end')
    }
    const value = Number(match[0])
    if (this.#unambiguous) this.#checkNumber(value, match[0])
    this.#at += match[0].length
    // -0 and 0 are one number with two spellings; a canonical form has one.
    return value === 0 ? 0 : value
  }

  #checkNumber(value: number, text: string): void {
    if (!Number.isFinite(value)) this.#fail('BAD_NUMBER', 'number out of range')
    if (!this.#largeIntegers && Number.isInteger(value) && !Number.isSafeInteger(value))
      this.#fail('BAD_NUMBER', 'integer beyond 2^53-1')
    if (value === 0 && /^[^eE]*[1-9]/.test(text)) this.#fail('BAD_NUMBER', 'number too small')
  }

  #string(): string {
    const start = this.#at++
    let out = ''
    for (;;) {
      PLAIN.lastIndex = this.#at
      const run = PLAIN.exec(this.#text)?.[0] ?? ''
      out += run
      this.#at += run.length
      const c = this.#text[this.#at]
      if (c === '"') break
      if (c === undefined) this.#fail('BAD_JSON', 'string does not end', start)
      if (c !== '\\') this.#fail('BAD_JSON', 'control character in a string')
      out += this.#escape()
    }
    this.#at++
    if (this.#unambiguous && !out.isWellFormed()) this.#fail('BAD_JSON', 'lone surrogate in a string', start)
    return out
  }

  #escape(): string {
    const c = this.#text[this.#at + 1]
    if (c === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6)
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.#fail('BAD_JSON', 'bad \\u escape')
      this.#at += 6
      return String.fromCharCode(Number.parseInt(hex, 16))
    }
    const plain = c === undefined ? undefined : ESCAPES[c]
    if (plain === undefined) return this.#fail('BAD_JSON', 'bad escape')
    this.#at += 2
    return plain
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) this.#fail('TOO_DEEP', `more than ${this.#maxDepth} levels`)
    this.#at++
    this.#space()
  }

  #array(depth: number): JsonValue[] {
    this.#enter(depth)
    const out: JsonValue[] = []
    if (this.#text[this.#at] === ']') return this.#word(1, out)
    for (;;) {
      out.push(this.#value(depth))
      this.#space()
      const c = this.#text[this.#at]
      if (c !== ',' && c !== ']') this.#fail('BAD_JSON', "expected ',' or ']'")
      this.#at++
      if (c === ']') return out
    }
  }

  #object(depth: number): JsonObject {
    this.#enter(depth)
    const out: JsonObject = Object.create(null)
    if (this.#text[this.#at] === '}') return this.#word(1, out)
    for (;;) {
      this.#space()
      const keyAt = this.#at
      if (this.#text[this.#at] !== '"') this.#fail('BAD_JSON', 'expected a key')
      const key = this.#string()
      if (this.#unambiguous && Object.hasOwn(out, key))
        this.#fail('DUPLICATE_KEY', `key ${JSON.stringify(key)} a second time`, keyAt)
      this.#space()
      if (this.#text[this.#at] !== ':') this.#fail('BAD_JSON', "expected ':'")
      this.#at++
      out[key] = this.#value(depth)
      this.#space()
      const c = this.#text[this.#at]
      if (c !== ',' && c !== '}') this.#fail('BAD_JSON', "expected ',' or '}'")
      this.#at++
      if (c === '}') return out
    }
  }
}

/**
 * The one canonical text of a value: the JSON Canonicalization Scheme (RFC 8785), that is no white space, keys sorted
 * by UTF-16 code unit, ECMAScript number form. `undefined` members are left out.
 *
 * @throws TypeError for what JSON cannot say (a programmer's mistake, not bad input)
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return canonicalString(value)
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON has no NaN and no infinity')
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(',')}]`
  if (typeof value !== 'object') throw new TypeError(`canonical JSON has no ${typeof value}`)
  const prototype: unknown = Object.getPrototypeOf(value)
  // A Buffer, a Date or a Map would come out as its members, which is never what was meant.
  if (prototype !== null && prototype !== Object.prototype) {
    throw new TypeError(`canonical JSON has no ${value.constructor.name}`)
  }
  let text = '{'
  // The default order is that of UTF-16 code units.
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key]
    if (member === undefined) continue
    if (text.length > 1) text += ','
    text += `${canonicalString(key)}:${canonicalJson(member)}`
  }
  return `${text}}`
}

/** Printable ASCII of which nothing is escaped: most text, and told apart faster than it is quoted. */
const UNESCAPED = /^[ !#-[\]-~]{0,256}$/

/** RFC 8785 section 3.2.2.2: a lone surrogate ends the work. */
function canonicalString(text: string): string {
  if (UNESCAPED.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw new TypeError('canonical JSON has no lone surrogates')
  return JSON.stringify(text)
}

/** {@link canonicalJson} as UTF-8 bytes. */
export function canonicalJsonBytes(value: unknown): Buffer {
  return Buffer.from(canonicalJson(value), 'utf8')
}
