import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { MAX_REFERENCE_ENVELOPE_BYTES } from '../../../attestation/index.ts'
import { captureDoubts, captureReference } from '../../reference/capture.ts'
import { signReferenceFile } from '../../reference/sign.ts'
import { openings } from '../../reference/words.ts'
import { openReferenceValues } from '../../reference-values.ts'
import { lookAtDocument } from '../document.ts'
import { statOwn } from '../place.ts'
import { type Step, type StepContext, skipped } from '../step.ts'
import { statePlaces } from './identity.ts'

/** As `writ reference capture` and `writ reference sign`. */
export const reference: Step = {
  name: 'reference',
  title: 'reference values',
  why: 'They say what "as it should be" means: this host as it is now. Whatever differs later fails it.',
  async look(context) {
    const { files, answers, stage } = context
    const { files: directories, packages } = answers.reference
    if (stage === 'image' && answers.documents.reference === undefined)
      return skipped('captured at the first boot: they are what was measured in a boot')
    const listed = [...directories, ...(packages ? ['all installed packages'] : [])].join(', ')
    const isCaptured = existsSync(files.captured)
    let doubts: readonly string[] = []
    const capture = async () => {
      // What an earlier run captured, and nobody signed, is signed as it is: somebody may have looked at it.
      if (!existsSync(files.captured)) doubts = await captureHere(context)
    }
    return lookAtDocument(context, {
      what: 'reference values',
      maxBytes: MAX_REFERENCE_ENVELOPE_BYTES,
      target: files.reference,
      given: answers.documents.reference,
      open: (envelope, operator) => {
        const { document, digest } = openReferenceValues(envelope, [operator])
        return `${document.ima.files.length} files, digest ${digest.slice(0, 16)}`
      },
      will: isCaptured
        ? [`sign ${files.captured}, which is there already, as it is`]
        : [
            `capture what firmware, boot and IMA have measured${listed === '' ? '' : `, and the files of ${listed} as they are now`}`,
            'sign that',
          ],
      make: async operator => {
        if (isCaptured) await statOwn(files.captured, 'file')
        await capture()
        const values = await signReferenceFile(files.captured, operator, files.reference)
        return [
          ...(isCaptured ? [`${files.captured} was signed as it was found: nothing was captured now`] : []),
          ...doubts,
          ...openings(values.document).map(line => `left open: ${line}`),
        ]
      },
      byHand: async () => {
        await capture()
        return {
          did: [`${'captured'.padEnd(20)} ${files.captured}`, ...doubts],
          next: `writ reference sign ${files.captured} --key OPERATOR.key --out ${files.reference}`,
        }
      },
    })
  },
}

async function captureHere({ answers, files }: StepContext): Promise<readonly string[]> {
  const { places, tpm } = answers
  const { files: directories, packages, components } = answers.reference
  const captured = await captureReference({
    ...statePlaces(answers),
    tpm: tpm.where,
    name: hostname(),
    revision: '1',
    eventLog: places.event_log,
    userspaceLog: places.userspace_log,
    imaLog: places.ima_log,
    out: files.captured,
    ...(directories.length === 0 ? {} : { files: [...directories] }),
    ...(packages ? { packages } : {}),
    ...(components.length === 0 ? {} : { component: [...components] }),
  })
  return captureDoubts(captured)
}
