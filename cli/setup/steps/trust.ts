import { existsSync } from 'node:fs'
import { openTrustRoots, signTrustRoots } from '../../../authorization/index.ts'
import { CliError } from '../../error.ts'
import { writeDocument } from '../../files.ts'
import { keyFiles } from '../../key-files.ts'
import { readAuthority } from '../../trust-file.ts'
import { lookAtDocument } from '../document.ts'
import type { Step } from '../step.ts'

/** The authority that the release key is of; the hello is issued by it. */
export const RELEASE = 'release'
/** How long what is signed here counts: a year, as of `writ key trust sign`. */
export const VALID_MS = 365 * 86_400_000

/** As `writ key trust sign`. */
export const trust: Step = {
  name: 'trust',
  title: 'trust roots',
  why: 'They name the authorities whose artifacts count on this host.',
  async look(context) {
    const { files, answers, authority } = context
    const release = keyFiles(files.release).public
    const given = answers.documents.trust
    if (given === undefined && authority.releaseFile === null && !existsSync(files.trust))
      throw new CliError('USAGE', 'nobody is named who may sign artifacts', {
        at: 'keys.release',
        next: 'Give signed trust roots (--trust, documents.trust) or a release key (keys.release).',
      })
    return lookAtDocument(context, {
      what: 'trust roots',
      target: files.trust,
      given,
      open: (envelope, operator) => {
        const { version, authorities, notAfter } = openTrustRoots(envelope, [operator])
        return `version ${version}, of ${[...authorities.keys()].join(', ')}, until ${notAfter}`
      },
      will: [
        `sign trust roots: ${release} alone may sign artifacts, as the authority "${RELEASE}", for a year`,
      ],
      make: async operator => {
        const notAfter = new Date(Date.now() + VALID_MS).toISOString()
        const authorities = [await readAuthority(`${RELEASE}=${release}`)]
        await writeDocument(files.trust, signTrustRoots({ version: 1, notAfter, authorities }, operator))
        return []
      },
      byHand: async () => ({
        did: [],
        next: `writ key trust sign --authority ${RELEASE}=${release} --version 1 --key OPERATOR.key --out ${files.trust}`,
      }),
    })
  },
}
