import { existsSync } from 'node:fs'
import { examineLauncherConfig, MAX_LAUNCHER_CONFIG_BYTES } from '../../configuration/launcher-file.ts'
import { shippedFile } from '../../encoding/shipped.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'
import { gapsText, judgeImaPolicy } from '../ima-policy/judgement.ts'
import { MAX_IMA_POLICY_BYTES } from '../ima-policy/rules.ts'
import type { Answers } from './answers.ts'
import { setupFiles } from './files.ts'
import type { StepContext } from './step.ts'

/**
 * What the policy that is there, or would be installed, measures less than has to be measured of the executions of this host.
 *
 * @returns a predicate; null where it is nothing
 * @throws CliError where a file cannot be read
 */
export async function lessThanShipped(answers: Answers): Promise<string | null> {
  const { ima_policy } = answers.places
  const bytes = existsSync(ima_policy)
    ? await readDocument(ima_policy, 'the IMA policy', MAX_IMA_POLICY_BYTES)
    : shippedFile('imaPolicy')
  const judged = judgeImaPolicy(bytes, await uidsOf(answers))
  if (judged.gaps === null) return `cannot be judged: ${judged.why}`
  return judged.gaps.length === 0 ? null : `measures less than it should: ${gapsText(judged.gaps)}`
}

/** Numbers of the executions, where somebody has said other ones than are shipped. What is wrong with the file another step says. */
async function uidsOf(answers: Answers) {
  const { launchd } = setupFiles(answers)
  if (!existsSync(launchd)) return undefined
  const bytes = await readDocument(launchd, "writ-launchd's configuration", 2 * MAX_LAUNCHER_CONFIG_BYTES)
  // Who the daemon runs as has nothing to do with it, and need not be there yet.
  return examineLauncherConfig(bytes, () => ({ uid: 1, gid: 1 })).config?.uids
}

/**
 * The note for a policy that measures less, where the answers accept one.
 *
 * @throws CliError `HOST_UNFIT` where they do not
 */
export async function acceptedLess({ answers }: StepContext): Promise<readonly string[]> {
  const less = await lessThanShipped(answers)
  if (less === null) return []
  const { ima_policy } = answers.places
  if (answers.ima.less === 'accept') return [`the IMA policy ${ima_policy} ${less}`]
  throw new CliError('HOST_UNFIT', `the IMA policy ${ima_policy} ${less}`, {
    at: ima_policy,
    next: 'Take the shipped one, /usr/share/writ/ima-policy, or its rules, and reboot. To go on with less: ima.less = "accept" in the answers.',
  })
}
