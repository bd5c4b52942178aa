import { readNameConstraints } from '../../attestation/identity/name-constraints.ts'
import {
  parseCertificate,
  parseCrl,
  readCertificateFile,
  readClaimedPcrs,
  readDenyList,
  readQuoteKey,
  readSelectionText,
  readTpmAttributes,
  readTpmSpecification,
  verifyQuote,
} from '../../attestation/index.ts'
import {
  parsePublicArea,
  parseQuoteAttest,
  parseSignature,
  publicAreaKey,
} from '../../attestation/tpm2/structures/index.ts'
import { readOtherKey } from '../../signing/other-key.ts'
import { recordedHost } from '../attestation/recorded-host.ts'
import { hostFiles, recordedFiles } from './seeds.ts'
import { derElements } from './structures.ts'
import { attempt, each, type FuzzTarget, lines } from './target.ts'

const certificates = () => [
  ...hostFiles('ek-ecc.der'),
  ...hostFiles('ek-rsa.der'),
  ...hostFiles('issuercert.pem'),
  ...recordedFiles(/^certs\/.*\.(?:der|crt|cer|bin|pem)$/),
]

const recorded = recordedHost('debian13-uki')

const akArea = Buffer.from(recorded.expected.ak.publicArea)

/** Quotes and keys, and what lies beside them. */
export const QUOTE_TARGETS: readonly FuzzTarget[] = [
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
]
