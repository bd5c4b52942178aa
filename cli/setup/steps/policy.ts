import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { openPolicyBundle, signPolicyBundle } from '../../../authorization/index.ts'
import { CliError } from '../../error.ts'
import { removeLeftovers, writeDocument } from '../../files.ts'
import { parsePolicyDirectory } from '../../policy-directory.ts'
import { validityLine } from '../../validity.ts'
import { lookAtDocument } from '../document.ts'
import { FIRST_POLICY, firstPolicyFile, foundPolicies } from '../found-policies.ts'
import type { Step } from '../step.ts'
import { VALID_MS } from './trust.ts'

/** As `writ policy sign`. */
export const policy: Step = {
  name: 'policy',
  title: 'policy',
  why: 'Its rules say what may run here beyond what an artifact says.',
  async look(context) {
    const { files, answers } = context
    const isOpen = !existsSync(files.policy) && answers.documents.policy === undefined
    const found = isOpen ? await foundPolicies(files.policies) : null
    if (found !== null && answers.documents.policies === 'refuse') throw notSaid(files.policies, found)
    const first = firstPolicyFile(files.policies)
    const prepare = async () => {
      if (found !== null) return []
      await mkdir(files.policies, { recursive: true, mode: 0o755 })
      // It would be taken for a policy.
      await removeLeftovers(first)
      if (existsSync(first)) return []
      await writeDocument(first, FIRST_POLICY)
      return [`${'policies'.padEnd(20)} ${first}: permits what an artifact allows`]
    }
    return lookAtDocument(context, {
      what: 'policy bundle',
      target: files.policy,
      given: answers.documents.policy,
      open: (envelope, operator) => {
        const bundle = openPolicyBundle(envelope, [operator])
        return `version ${bundle.version}, ${validityLine(bundle)}`
      },
      will:
        found === null
          ? [`sign a policy that permits what an artifact allows, for a year: ${first}`]
          : [`sign the policies in ${files.policies}, for a year:`, ...found],
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

function notSaid(directory: string, found: readonly string[]): CliError {
  return new CliError(
    'FILE_EXISTS',
    `${directory} is there, and nobody has said that its policies are to be in force`,
    {
      at: directory,
      lines: found,
      next: 'Look at each of them. Then have them taken: --policies take (answers: documents.policies = "take"); or move the directory away.',
    },
  )
}
