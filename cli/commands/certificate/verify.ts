import type { Command } from 'commander'
import {
  type CertificateFinding,
  type CertificateRole,
  examineCertificate,
  Revocations,
  readCertificateFile,
  readDenyList,
} from '../../../attestation/index.ts'
import { type CertificateFolder, readCertificateFolder, readCrlFile } from '../../certificate-folder.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { readAs, readDocument } from '../../files.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import { printable, styled } from '../../output.ts'
import { collect } from '../../workload.ts'

interface Options {
  ek?: string
  ak?: string
  certificate?: string
  roots: string[]
  intermediates?: string[]
  crl?: string[]
  revoked?: string
  at?: string
}

const FORM = {
  verified: 'boolean',
  reasons: [{ code: 'text', message: 'text', 'at?': 'text: SHA-256 of the certificate at fault' }],
  'tpm|null': {
    manufacturer: 'text: eight hexadecimal digits',
    'manufacturerName|null': 'text',
    model: 'text',
    version: 'text: hexadecimal digits',
  },
  'specification|null': { family: 'text', level: 'number', revision: 'number' },
  path: [
    {
      subject: 'text',
      issuer: 'text',
      serial: 'hex',
      sha256: 'digest',
      notBefore: 'time',
      notAfter: 'time',
      revocation: 'text: good, revoked, stale (the list is not in force), unknown (there is none), or root',
    },
  ],
  'validity|null': { notBefore: 'time', notAfter: 'time' },
  'key|null': { type: 'text', size: 'text: curve or bits', spkiSha256: 'digest' },
  skipped: ['text: file of a folder of which nothing could be used'],
} as const

export function addCertificateVerify(parent: Command): void {
  const command = addCommand(
    parent,
    'verify',
    "Verify the certificate of a TPM's key up to a root that you bring, and show what it says of the TPM.",
    `writ certificate verify --ek ek.der --roots vendor-roots/ --intermediates vendor-issuers/
     writ certificate verify --ak ak.pem --roots operator.pem --crl operator.crl --at 2026-06-01T00:00:00Z`,
    [{ fields: FORM }, { when: 'when the certificate cannot be read', fields: MALFORMED }],
  )
    .option('--ek <file>', "certificate of an endorsement key: PEM, DER, or an NV index's content")
    .option('--ak <file>', 'certificate of an attestation key (TCG usage 2.23.133.8.3)')
    .option('--certificate <file>', 'certificate of any other key')
    .requiredOption(
      '--roots <file|directory>',
      'what you trust: a file, or all files of a directory (repeatable)',
      collect,
    )
    .option('--intermediates <file|directory>', 'certificates between both (repeatable)', collect)
    .option(
      '--crl <file>',
      'revocation list of an issuer; those in the directories count as well (repeatable)',
      collect,
    )
    .option('--revoked <file>', 'list of your own: serial numbers or SHA-256 of certificates, one in a line')
    .option('--at <time>', 'instant at which everything has to be valid (default: now)')
  addNote(
    command,
    'That the certificate verifies does not show that a TPM holds its key: `writ key enroll` has the TPM prove that. A revocation list that is\n' +
      "missing or out of date is no failure; each certificate's `revocation` says what is known.",
  )
  setAction<Options>(command, async ({ options, output }) => {
    const { role, path } = readRole(options)
    const at = readInstant(options.at)
    const roots = await readAll(options.roots, 'a root')
    const known = await readAll(options.intermediates ?? [], 'an intermediate certificate')
    const lists = (await Promise.all((options.crl ?? []).map(readCrlFile))).flat()
    const denied =
      options.revoked === undefined
        ? new Set<string>()
        : await readAs(options.revoked, 'revoked certificates', readDenyList)
    const bytes = await readDocument(path, 'a certificate')
    let leaf: Buffer | undefined
    let rest: Buffer[]
    try {
      ;[leaf, ...rest] = readCertificateFile(bytes)
    } catch (error) {
      return reportMalformed(error, output)
    }
    const found = examineCertificate(leaf ?? Buffer.alloc(0), role, {
      roots: roots.certificates,
      // A file with the whole chain brings the intermediates along.
      intermediates: rest.slice(0, 64),
      ownIntermediates: known.certificates,
      at,
      revocations: new Revocations([...lists, ...roots.lists, ...known.lists], denied, at),
    })
    const skipped = [...roots.skipped, ...known.skipped]
    output.result({ ...found, skipped }, () => linesOf(found, skipped))
    return found.verified ? EXIT.done : EXIT.refused
  })
}

function readRole({ ek, ak, certificate }: Options): { role: CertificateRole; path: string } {
  const given = [
    ...(ek === undefined ? [] : [{ role: 'ek', path: ek } as const]),
    ...(ak === undefined ? [] : [{ role: 'ak', path: ak } as const]),
    ...(certificate === undefined ? [] : [{ role: 'any', path: certificate } as const]),
  ]
  const [one] = given
  if (one !== undefined && given.length === 1) return one
  throw new CliError('USAGE', 'give one of --ek, --ak and --certificate')
}

function readInstant(text: string | undefined): Date {
  if (text === undefined) return new Date()
  const at = new Date(text)
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(text) && !Number.isNaN(at.getTime())) return at
  throw new CliError('USAGE', '--at takes an instant in UTC, for example 2026-06-01T00:00:00Z')
}

async function readAll(paths: readonly string[], what: string): Promise<CertificateFolder> {
  const folders = await Promise.all(paths.map(path => readCertificateFolder(path, what)))
  return {
    certificates: folders.flatMap(({ certificates }) => certificates),
    lists: folders.flatMap(({ lists }) => lists),
    skipped: folders.flatMap(({ skipped }) => skipped),
  }
}

function linesOf(found: CertificateFinding, skipped: readonly string[]): string[] {
  const { verified, reasons, tpm, specification, path, validity, key } = found
  return [
    verified ? styled(['bold', 'green'], 'VERIFIED') : styled(['bold', 'red'], 'FAILED'),
    ...reasons.map(({ code, message }) => `${code}: ${printable(message)}`),
    ...path.map(
      ({ subject, sha256, notAfter, revocation }, i) =>
        `${i === 0 ? 'certificate' : 'issued by  '}  ${printable(subject) || '(no subject)'}, until ${notAfter.slice(0, 10)}, ` +
        `${revocation === 'root' ? 'a root of yours' : `revocation ${revocation}`}, ${sha256.slice(0, 16)}…`,
    ),
    ...(tpm === null
      ? []
      : [
          `TPM          ${tpm.manufacturerName ?? 'unknown maker'} (${tpm.manufacturer}), model ${printable(tpm.model)}, firmware ${tpm.version}`,
        ]),
    ...(specification === null
      ? []
      : [
          `specification ${printable(specification.family)}, level ${specification.level}, revision ${specification.revision}`,
        ]),
    ...(key === null ? [] : [`key          ${key.type} ${key.size}, SHA-256 ${key.spkiSha256}`]),
    ...(validity === null ? [] : [`valid        ${validity.notBefore} to ${validity.notAfter}`]),
    ...skipped.map(file => `not used     ${printable(file)}`),
  ]
}
