import { parseCertificate, trimCertificatePadding } from '../../identity/certificate.ts'
import { parsePublicArea, publicAreaKey } from '../structures/index.ts'
import type { Tpm } from '../tpm.ts'
import { ProvisionError } from './error.ts'
import type { TpmTools } from './tools.ts'

/** An EK that is in the TPM, and what its vendor says about it. */
export interface Endorsement {
  readonly handle: number
  readonly publicArea: Buffer
  readonly certificate: Buffer | null
  readonly intermediates: readonly Buffer[]
}

/** NV indices of the low range, one per default template (TCG EK Credential Profile 2.5, section 2.2.1.4). */
const TEMPLATES = [
  { algorithm: 'ecc', certificate: 0x01c0000a, template: 0x01c0000c },
  { algorithm: 'rsa', certificate: 0x01c00002, template: 0x01c00004 },
] as const

/** Where vendors store the certificates above the EK's, each index a part (ibid., section 2.2.1.5.2). */
const CHAIN = { first: 0x01c00100, last: 0x01c001ff } as const
/** Handles for endorsement keys (TCG Registry of Reserved TPM 2.0 Handles and Localities, section 2.3.1). */
const EK_HANDLES = { first: 0x81010001, last: 0x810100ff } as const

export interface HierarchyAuths {
  readonly owner?: Buffer | undefined
  readonly endorsement?: Buffer | undefined
}

/** Finds the EK's certificate in the TPM: that of the ECC P-256 key if there is one, else that of the RSA 2048 key. */
export async function findCertificate(tpm: Tpm) {
  for (const template of TEMPLATES) {
    const bytes = await tpm.nvRead(template.certificate)
    if (!bytes) continue
    const certificate = trimCertificatePadding(bytes)
    return { template, certificate, key: parseCertificate(certificate, 'EK certificate').publicKey }
  }
  return { template: TEMPLATES[0], certificate: null, key: null }
}

/**
 * The EK that its certificate is for. One that is persistent already is taken; otherwise it is made from its template and made
 * persistent at a free handle.
 *
 * @throws ProvisionError `EK_UNFIT`, `TOOL_FAILED`
 */
export async function endorsementKey(tpm: Tpm, tools: TpmTools, auths: HierarchyAuths): Promise<Endorsement> {
  const { template, certificate, key } = await findCertificate(tpm)
  const intermediates = await readChain(tpm)
  const isOurs = (publicArea: Buffer) =>
    isDefaultEk(publicArea, template.algorithm) &&
    (key === null || publicAreaKey(parsePublicArea(publicArea)).equals(key))

  const used = new Set(await tpm.handles('PERSISTENT'))
  for (const handle of used) {
    const found = inRange(handle) ? await tpm.readPublic(handle) : undefined
    if (found && isOurs(found.publicArea)) {
      return { handle, publicArea: found.publicArea, certificate, intermediates }
    }
  }
  let handle: number = EK_HANDLES.first
  while (used.has(handle)) handle++
  const fromNv = (await tpm.nvReadPublic(template.template)) ? ['--template'] : []
  const owner = await tools.auth('-w', auths.owner)
  const endorsement = await tools.auth('-P', auths.endorsement)
  await tpm.lend(() =>
    tools.run('tpm2_createek', [
      '-G',
      template.algorithm,
      '-c',
      hex(handle),
      ...fromNv,
      ...owner,
      ...endorsement,
    ]),
  )
  const made = await tpm.readPublic(handle)
  if (made && isOurs(made.publicArea))
    return { handle, publicArea: made.publicArea, certificate, intermediates }
  await tpm.lend(() => tools.run('tpm2_evictcontrol', ['-C', 'o', '-c', hex(handle), ...ownerFlag(owner)]))
  throw new ProvisionError(
    'EK_UNFIT',
    'the EK that the TPM makes from the default template is not the one certified',
  )
}

/** PolicySecret(TPM_RH_ENDORSEMENT): the authPolicy of the low range's templates (EK Credential Profile, section B.2.1). */
const POLICY_A = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex')

function isDefaultEk(publicArea: Buffer, algorithm: 'ecc' | 'rsa'): boolean {
  try {
    const area = parsePublicArea(publicArea)
    return area.type === algorithm && area.authPolicy.equals(POLICY_A)
  } catch {
    return false
  }
}

/** The certificates between the EK's and its maker's root that the TPM holds, DER. */
export async function readChain(tpm: Tpm): Promise<Buffer[]> {
  const parts: Buffer[] = []
  for (const index of (await tpm.handles('NV_INDEX')).sort((a, b) => a - b)) {
    if (index >= CHAIN.first && index <= CHAIN.last) parts.push((await tpm.nvRead(index)) ?? Buffer.alloc(0))
  }
  return splitCertificates(Buffer.concat(parts))
}

/** DER certificates one after the other; stops at what is none, which vendors use as padding. */
function splitCertificates(bytes: Buffer): Buffer[] {
  const out: Buffer[] = []
  for (let rest = bytes; rest.length >= 4 && rest[0] === 0x30 && rest[1] === 0x82; ) {
    const end = 4 + rest.readUInt16BE(2)
    if (end > rest.length) break
    out.push(Buffer.from(rest.subarray(0, end)))
    rest = rest.subarray(end)
  }
  return out
}

function inRange(handle: number): boolean {
  return handle >= EK_HANDLES.first && handle <= EK_HANDLES.last
}

function ownerFlag(owner: readonly string[]): string[] {
  const [, file] = owner
  return file === undefined ? [] : ['-P', file]
}

/** A handle as tpm2-tools take it. */
export function hex(handle: number): string {
  return `0x${handle.toString(16).padStart(8, '0')}`
}
