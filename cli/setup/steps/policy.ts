import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openPolicyBundle, signPolicyBundle } from '../../../authorization/index.ts'
import { writeDocument } from '../../files.ts'
import { parsePolicyDirectory } from '../../policy-directory.ts'
import { validityLine } from '../../validity.ts'
import { lookAtDocument } from '../document.ts'
import type { Step } from '../step.ts'
import { VALID_MS } from './trust.ts'

/** What the first policy says: an artifact is needed in any case, and this adds no rule of its own. */
const FIRST_POLICY = `// Whatever an artifact allows is permitted. Rules of the host's own come here: see docs/policy.md.
permit (principal, action, resource);
`

/** As `writ policy sign`. */
export const policy: Step = {
  name: 'policy',
  title: 'policy',
  why: 'Its rules say what may run here beyond what an artifact says.',
  look(context) {
    const { files, answers } = context
    const prepare = async () => {
      // A directory that somebody has filled is signed as it is.
      if (existsSync(files.policies)) return []
      await mkdir(files.policies, { mode: 0o755 })
      const file = join(files.policies, 'start.cedar')
      await writeDocument(file, FIRST_POLICY)
      return [`${'policies'.padEnd(20)} ${file}: permits what an artifact allows`]
    }
    return lookAtDocument(context, {
      what: 'policy bundle',
      target: files.policy,
      given: answers.documents.policy,
      open: (envelope, operator) => {
        const bundle = openPolicyBundle(envelope, [operator])
        return `version ${bundle.version}, ${validityLine(bundle)}`
      },
      will: [
        existsSync(files.policies)
          ? `sign the policies in ${files.policies}, for a year`
          : `sign a policy that permits what an artifact allows, for a year: ${files.policies}/start.cedar`,
      ],
      make: async operator => {
        await prepare()
        const validity = { notBefore: 'any', notAfter: new Date(Date.now() + VALID_MS).toISOString() }
        const bundle = await parsePolicyDirectory(files.policies, { version: 1, ...validity })
        const envelope = signPolicyBundle(bundle, operator)
        // What the daemon would refuse is refused here.
        openPolicyBundle(envelope, [operator.public])
        await writeDocument(files.policy, envelope)
        return []
      },
      byHand: async () => ({
        did: await prepare(),
        next: `writ policy sign ${files.policies} --version 1 --valid 365d --key OPERATOR.key --out ${files.policy}`,
      }),
    })
  },
}
