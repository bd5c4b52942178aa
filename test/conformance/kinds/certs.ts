import { examineCertificate, readCertificateFile, splitCertificateFile } from '../../../attestation/index.ts'
import { WritError } from '../../../encoding/error.ts'
import type { JsonValue } from '../../../encoding/json.ts'
import type { Answerer } from '../case.ts'

/** Chains of certificates of any kind, at an instant. */
export const answerCertificates: Answerer = given => {
  const { leaf, intermediates, roots, time } = given.case ?? {}
  const files = (names: JsonValue | undefined): Buffer[] => (names as string[]).map(name => given.read(name))
  try {
    const [der] = readCertificateFile(given.read(String(leaf)))
    const found = examineCertificate(der ?? Buffer.alloc(0), 'any', {
      roots: files(roots).flatMap(bytes => readCertificateFile(bytes)),
      intermediates: files(intermediates).flatMap(splitCertificateFile),
      at: new Date(String(time)),
    })
    return { verify: found.verified, reason: found.reasons[0]?.code ?? '' }
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    return { verify: false, reason: error.code }
  }
}
