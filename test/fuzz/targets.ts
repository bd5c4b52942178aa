import { generateKeyPairSync } from 'node:crypto'
import { readClaims } from '../../attestation/ear/claims.ts'
import { decodedEventJson, decodeEvent } from '../../attestation/eventlog/decode/index.ts'
import { readNameConstraints } from '../../attestation/identity/name-constraints.ts'
import {
  ANY_EVENT_LOG,
  appraise,
  captureReferenceValues,
  earKeyFromJwk,
  earKeyFromSpki,
  encodeReferenceValues,
  encodeReport,
  judgeEventLog,
  parseCertificate,
  parseCmwCollection,
  parseCrl,
  parseEventLog,
  parseExecutions,
  parseReferenceValues,
  parseReport,
  parseUserspaceLog,
  QUIRKS,
  readCertificateFile,
  readClaimedPcrs,
  readDenyList,
  readImaLog,
  readQuoteKey,
  readSelectionText,
  readTpmAttributes,
  readTpmSpecification,
  replayAll,
  verifyEar,
  verifyQuote,
} from '../../attestation/index.ts'
import {
  parsePublicArea,
  parseQuoteAttest,
  parseSignature,
  publicAreaKey,
} from '../../attestation/tpm2/structures/index.ts'
import { authenticodeDigests, predictPcr11, readUki, ukiReference } from '../../attestation/uki/index.ts'
import { checkJsonText, type JsonObject, parseJson } from '../../encoding/json.ts'
import { parseCheckpointText, parseNote, parseNoteKey, parseTlogProof } from '../../lineage/index.ts'
import { parseEnvelope, parseOtherEnvelope, signEnvelope } from '../../signing/dsse.ts'
import { generateKey } from '../../signing/key.ts'
import { readOtherKey } from '../../signing/other-key.ts'
import { EXECUTIONS, ReportingHost } from '../attestation/made-up-report.ts'
import { recordedHost } from '../attestation/recorded-host.ts'
import { ukiImage } from '../support/pe-image.ts'
import { beginnings, hostFiles, recordedFiles } from './seeds.ts'
import {
  derElements,
  eventsOf,
  imaEntries,
  jsonMembers,
  pieces,
  records,
  type StructureMutator,
  tcgEvents,
} from './structures.ts'

/** One parser, or several of the same input, with what it is started from. */
export interface FuzzTarget {
  readonly name: string
  readonly seeds: readonly Buffer[]
  /** What knows the input's form; none: bytes are changed as they come. */
  readonly structure?: StructureMutator
  /** Texts and numbers that the parser compares with. */
  readonly words?: readonly string[]
  /** Reads the input in all ways. What it throws has to be a WritError. */
  run(input: Buffer): void
}

const recorded = recordedHost('debian13-uki')
const reporting = await ReportingHost.make()

const eventLogs = () => {
  const whole = [...hostFiles('eventlog.bin'), ...recordedFiles(/^(?:eventlog|quote)\/.*\.(?:bin|log)$/)]
  const short = whole.flatMap(log =>
    [3, 12].map(n => log.subarray(0, eventsOf(log)[n]?.start ?? 0)).filter(({ length }) => length > 0),
  )
  return [...short, ...whole]
}
const imaLogs = () =>
  beginnings(
    [...hostFiles('ima.bin'), ...recordedFiles(/^ima\/.*\.bin$/)].map(log => log.subarray(0, 16 << 10)),
    500,
    3000,
  )
const imaTexts = () =>
  beginnings(
    [...hostFiles('ima.ascii'), ...recordedFiles(/^(?:ima\/.*\.(?:ascii|txt)|quote\/.*ima\.txt)$/)].map(log =>
      log.subarray(0, 8 << 10),
    ),
    400,
  )
const certificates = () => [
  ...hostFiles('ek-ecc.der'),
  ...hostFiles('ek-rsa.der'),
  ...hostFiles('issuercert.pem'),
  ...recordedFiles(/^certs\/.*\.(?:der|crt|cer|bin|pem)$/),
]
const lines = records(pieces('\n'))

/** Several parsers of one input: each is tried, and the last error that any had is thrown if none took it. */
function each(input: Buffer, ...parsers: ((input: Buffer) => void)[]): void {
  for (const parse of parsers) attempt(() => parse(input))
}

/** Only typed errors are let pass: others go on and end the run. */
let isTyped: (error: unknown) => boolean = () => false
export function onTypedErrors(check: (error: unknown) => boolean): void {
  isTyped = check
}

function attempt(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isTyped(error)) throw error
  }
}

const quirks = QUIRKS.map(({ name }) => name)
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
const earKey = earKeyFromSpki(p256.export({ type: 'spki', format: 'der' }))
const akArea = Buffer.from(recorded.expected.ak.publicArea)
const reference = captureReferenceValues({
  evidence: recorded.evidence,
  expected: recorded.expected,
  name: 'fuzz',
  created: '2026-11-21T02:00:00.000Z',
  components: 'any',
})
const referenceBytes = encodeReferenceValues(reference)
const referenceValues = parseReferenceValues(referenceBytes)
const PARTS = ['attest', 'signature', 'eventLog', 'userspaceLog', 'imaLog'] as const

/** Evidence in which the first byte says which part the rest stands for. */
function appraiseWith(input: Buffer): void {
  const part = PARTS[(input[0] ?? 0) % PARTS.length]
  const bytes = input.subarray(1)
  const { quote, ...logs } = recorded.evidence
  appraise({
    evidence:
      part === 'attest' || part === 'signature'
        ? { ...logs, quote: { ...quote, [part]: bytes } }
        : { quote, ...logs, [part as string]: bytes },
    reference: referenceValues,
    expected: recorded.expected,
    previous: null,
    governedDigests: new Set(),
  })
}

const partSeeds = () => {
  const { quote, eventLog, userspaceLog, imaLog } = recorded.evidence
  return [quote.attest, quote.signature, eventLog, userspaceLog, imaLog.subarray(0, 8 << 10)].map(
    (bytes, i) => Buffer.concat([Buffer.of(i), bytes]),
  )
}

/** Every parser of what comes from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  {
    name: 'eventlog',
    seeds: eventLogs(),
    structure: tcgEvents,
    words: ['Spec ID Event03\0', 'Spec ID Event02\0', 'StartupLocality\0', 'SecureBoot', 'EV_EFI_ACTION'],
    run(input) {
      each(input, bytes => void parseEventLog(bytes))
      const log = parseEventLog(input, ANY_EVENT_LOG)
      replayAll(log)
      judgeEventLog(
        log,
        new Map([
          [
            'sha256',
            new Map([
              [0, Buffer.alloc(32)],
              [7, Buffer.alloc(32)],
            ]),
          ],
        ]),
        { quirks },
      )
      if (log.format === 'ccel') judgeEventLog(log, new Map(), { registers: 'cc' })
    },
  },
  {
    name: 'eventlog-decode',
    seeds: eventLogs(),
    structure: tcgEvents,
    words: [
      'S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0',
      'EFI PART',
      'grub_cmd: ',
      'kernel_cmdline: ',
      'SP800-155 Event3',
      'sbat,1,2024',
    ],
    run(input) {
      for (const event of parseEventLog(input, ANY_EVENT_LOG).events)
        JSON.stringify(decodedEventJson(decodeEvent(event, 'sha256')))
    },
  },
  {
    name: 'userspace',
    seeds: beginnings([...hostFiles('userspace.jsonseq'), ...recordedFiles(/userspace.*\.json/)], 400, 1200),
    structure: records(pieces('\x1e')),
    words: ['\x1e', '"pcr":', '"nv_index":', '"digests":', 'sha256', '"content":', '\n', '11'],
    run: input => void parseUserspaceLog(input),
  },
  {
    name: 'ima-binary',
    seeds: imaLogs(),
    structure: imaEntries,
    words: [
      'ima-ng',
      'ima-sig',
      'ima-ngv2',
      'ima-buf',
      'ima-modsig',
      'evm-sig',
      'sha256:\0',
      'verity:sha256:\0',
      'd-ng|n-ng',
      'ima',
    ],
    run(input) {
      each(input, bytes => void readImaLog(bytes, { form: 'binary', bank: 'sha1', extend: 'padded' }))
      const log = readImaLog(input, { form: 'binary' })
      for (let i = 0; i < log.length; i++) log.entry(i)
    },
  },
  {
    name: 'ima-ascii',
    seeds: imaTexts(),
    structure: lines,
    words: ['ima-ng', 'ima-sig', ' sha256:', '10 ', '\n', ' ', 'ima-ngv2', 'verity:sha1:', 'd-ng|n-ng'],
    run(input) {
      const log = readImaLog(input, { form: 'ascii' })
      for (let i = 0; i < log.length; i++) log.entry(i)
    },
  },
  {
    name: 'attest',
    seeds: [...hostFiles('quote.msg'), ...recordedFiles(/^quote\/.*(?:attest|\.msg|quote\.bin)/)],
    run(input) {
      each(input, bytes => void parseQuoteAttest(bytes))
    },
  },
  {
    name: 'quote',
    seeds: [...hostFiles('quote.msg'), ...recordedFiles(/^quote\/.*(?:attest|\.msg)/)],
    run(input) {
      verifyQuote(
        { attest: input, signature: recorded.evidence.quote.signature },
        { ...recorded.expected, pcrSelection: [] },
      )
    },
  },
  {
    name: 'signature',
    seeds: [...hostFiles('quote.sig'), ...recordedFiles(/^quote\/.*(?:signature|\.sig)/)],
    run(input) {
      parseSignature(input)
    },
  },
  {
    name: 'public-area',
    seeds: [akArea, ...hostFiles('ak.pem'), ...recordedFiles(/^quote\/.*(?:ak|public|\.pub)/)],
    structure: derElements,
    run(input) {
      each(
        input,
        bytes => void publicAreaKey(parsePublicArea(bytes)),
        bytes => void readQuoteKey(bytes),
        bytes => void readOtherKey(bytes),
      )
    },
  },
  {
    name: 'pcr-values',
    seeds: [
      ...hostFiles('pcrread.txt'),
      ...hostFiles('quote.pcrs'),
      ...recordedFiles(/^quote\/.*pcrs/),
      Buffer.from('sha256:0,1,2+sha1:all'),
    ],
    structure: lines,
    words: ['sha256:', '  0 : 0x', 'sha384', ',', '+', 'all', '{"sha256":{"0":"'],
    run(input) {
      each(
        input,
        bytes => void readClaimedPcrs(bytes),
        bytes => void readSelectionText(bytes.toString('utf8')),
      )
    },
  },
  {
    name: 'certificate',
    seeds: certificates(),
    structure: derElements,
    run(input) {
      each(
        input,
        bytes => void readCertificateFile(bytes),
        bytes => void parseCrl(bytes),
        bytes => void readDenyList(bytes),
        bytes => {
          const certificate = parseCertificate(bytes)
          attempt(() => void readTpmAttributes(certificate))
          attempt(() => void readTpmSpecification(certificate))
        },
        bytes => void readNameConstraints(bytes),
      )
    },
  },
  {
    name: 'reference',
    seeds: [referenceBytes, encodeReferenceValues(reporting.host.document())].map(bytes =>
      bytes.subarray(0, 32 << 10),
    ),
    structure: jsonMembers,
    words: ['"any"', '"ima"', '"rule":', 'sha256:', '"secureBoot":'],
    run: input => void parseReferenceValues(input),
  },
  {
    name: 'report',
    seeds: [encodeReport(reporting.report()), EXECUTIONS],
    structure: jsonMembers,
    words: ['"__cmwc_t":', 'application/', '"', ',', ']', '['],
    run(input) {
      each(
        input,
        bytes => void parseReport(bytes),
        bytes => void parseCmwCollection(bytes, 1 << 20),
        bytes => void parseExecutions(bytes),
      )
    },
  },
  {
    name: 'ear',
    seeds: [
      ...recordedFiles(/^ear\/.*(?:token\.jwt|\.json)$/),
      ...recordedFiles(/^ear\/.*token\.jwt$/).map(token =>
        Buffer.from(token.toString().split('.')[1] ?? '', 'base64url'),
      ),
      Buffer.from(
        '{"eat_profile":"tag:github.com,2023:veraison/ear","iat":1,"ear.verifier-id":{"developer":"a","build":"b"},"submods":{"x":{"ear.status":"affirming"}}}',
      ),
      Buffer.from(JSON.stringify(p256.export({ format: 'jwk' }))),
    ],
    structure: jsonMembers,
    words: ['.', '"alg"', '"ES256"', '"kty"', '"submods"', '"ear.status"', '"crit"'],
    run(input) {
      each(
        input,
        bytes =>
          void verifyEar(bytes.toString('latin1'), {
            key: earKey,
            algorithms: ['ES256'],
            now: 0,
            nonce: null,
          }),
        bytes => void readClaims(parseJson(bytes) as JsonObject),
        bytes => void earKeyFromJwk(parseJson(bytes) as JsonObject),
      )
    },
  },
  {
    name: 'uki',
    seeds: [
      ukiImage([
        ['.osrel', 'ID=test\n'],
        ['.cmdline', 'root=/dev/vda2\0'],
        ['.uname', '6.12.0'],
        ['.sbat', 'sbat,1\n'],
        ['.pcrpkey', 'key'],
        ['.linux', Buffer.alloc(600, 7)],
      ]),
    ],
    words: ['.linux\0\0', '.profile', '.cmdline', '.sdmagic', 'PE\0\0', 'MZ', '.dtbauto', '.ucode\0\0'],
    run(input) {
      const uki = readUki(input)
      authenticodeDigests(uki.image, ['sha256'])
      each(input, () => void predictPcr11(uki, { bank: 'sha256', phases: [] }))
      each(input, () => void ukiReference(uki, { banks: ['sha256'], phases: ['sysinit'] }))
    },
  },
  {
    name: 'dsse',
    seeds: [
      signEnvelope('application/x', Buffer.from('{}'), [generateKey('ed25519')]),
      ...recordedFiles(/dsse\/.*envelope\.json$/),
    ],
    structure: jsonMembers,
    words: ['"payload":', '"signatures":', '"sig":', '=', '-', '_'],
    run(input) {
      each(
        input,
        bytes => void parseEnvelope(bytes),
        bytes => void parseOtherEnvelope(bytes),
      )
    },
  },
  {
    name: 'note',
    seeds: [
      ...recordedFiles(/^note\/.*\.txt$/),
      Buffer.from(
        'example.com/log\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u2014 example.com/log AAAAAAAAAAA=\n',
      ),
      Buffer.from('c2sp.org/tlog-proof@v1\nindex 0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\na\n'),
      Buffer.from('example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'),
    ],
    structure: lines,
    words: ['\u2014 ', '\n\n', '+', 'index ', 'extra '],
    run(input) {
      each(
        input,
        bytes => void parseCheckpointText(parseNote(bytes).text),
        bytes => void parseTlogProof(bytes),
        bytes => void parseNoteKey(bytes.toString('utf8')),
      )
    },
  },
  {
    name: 'json',
    seeds: [...recordedFiles(/^json\//), Buffer.from('{"a":[1,-0.5e3,"\\u00e9\\ud83d\\ude00",null,true]}')],
    structure: jsonMembers,
    words: ['{', '}', '[', ']', '"', '\\u', ',', ':', '1e', '-', 'true', '\\ud800'],
    run(input) {
      each(
        input,
        bytes => void parseJson(bytes),
        bytes => checkJsonText(bytes),
      )
    },
  },
  {
    name: 'appraise',
    seeds: partSeeds(),
    run: appraiseWith,
  },
]
