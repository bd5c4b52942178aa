import { generateKeyPairSync } from 'node:crypto'
import { readClaims } from '../../attestation/ear/claims.ts'
import {
  earKeyFromJwk,
  earKeyFromSpki,
  encodeReferenceValues,
  encodeReport,
  parseCmwCollection,
  parseExecutions,
  parseReferenceValues,
  parseReport,
  verifyEar,
} from '../../attestation/index.ts'
import { checkJsonText, type JsonObject, parseJson } from '../../encoding/json.ts'
import { parseCheckpointText, parseNote, parseNoteKey, parseTlogProof } from '../../lineage/index.ts'
import { parseEnvelope, parseOtherEnvelope, signEnvelope } from '../../signing/dsse.ts'
import { generateKey } from '../../signing/key.ts'
import { EXECUTIONS, ReportingHost } from '../attestation/made-up-report.ts'
import { REFERENCE } from './reference-values.ts'
import { recordedFiles } from './seeds.ts'
import { jsonMembers } from './structures.ts'
import { each, type FuzzTarget, lines } from './target.ts'

const reporting = await ReportingHost.make()

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
const earKey = earKeyFromSpki(p256.export({ type: 'spki', format: 'der' }))

/** Documents and texts, and a whole appraisal. */
export const DOCUMENT_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'reference',
    seeds: [REFERENCE, encodeReferenceValues(reporting.host.document())].map(bytes =>
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
]
