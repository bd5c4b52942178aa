import { existsSync } from 'node:fs'
import { keyFiles } from '../key-files.ts'
import { printable } from '../output.ts'
import type { Probes } from '../probe/index.ts'
import { readBoot, readBootLoader, readIma, valueIn } from '../probe/index.ts'
import { tierByName } from '../provision.ts'
import { type Answers, completeAnswers, type GivenAnswers } from './answers.ts'
import type { Person } from './ask.ts'
import { setupFiles } from './files.ts'
import { foundPolicies } from './found-policies.ts'
import { lessThanShipped } from './ima-policy.ts'
import { lackingOptions } from './steps/ima.ts'

/**
 * Asks a person what nobody has said yet and cannot be found out: who signs, whose TPM it is, whether policies that are there are meant, and
 * whether the boot loader may be changed.
 *
 * @param given what was said already; a key that is there is not asked for
 * @throws CliError `NOT_CONFIRMED`, `HOST_UNFIT`
 */
export async function askQuestions(person: Person, given: GivenAnswers, probes: Probes): Promise<Answers> {
  const asked: GivenAnswers = structuredClone(given)
  asked.keys = { ...(await askKeys(person, completeAnswers(given), given)), ...given.keys }
  asked.tpm = { ...(await askTpm(person, completeAnswers(given), given, probes)), ...given.tpm }
  asked.documents = { ...(await askPolicies(person, completeAnswers(given), given)), ...given.documents }
  asked.ima = {
    ...(await askGrub(person, completeAnswers(given), given, probes)),
    ...(await askLess(person, completeAnswers(given), given)),
    ...given.ima,
  }
  return completeAnswers(asked)
}

/** Not asked once there are keys, whoever made them. */
async function askKeys(person: Person, answers: Answers, given: GivenAnswers): Promise<GivenAnswers['keys']> {
  if (given.keys?.operator !== undefined) return {}
  const files = setupFiles(answers)
  const operator = keyFiles(files.operator)
  if (existsSync(operator.public)) {
    // Where the operator's key is elsewhere nobody has said that the other one is made here.
    const isKnown = [operator.private, keyFiles(files.release).public, files.trust].some(existsSync)
    const isSaid = given.keys?.release !== undefined || given.documents?.trust !== undefined
    return isKnown || isSaid ? {} : { release: await askRelease(person) }
  }
  say(
    '',
    "Two keys: the operator's says what is in force here, the release key signs what may run.",
    'For a first look they are made on this host. In earnest they are made and kept elsewhere, and only public keys come here.',
  )
  if (await person.yes('Make both here?', true)) return {}
  const elsewhere = await askFile(person, "The operator's public key (file)")
  return { operator: elsewhere, release: await askRelease(person) }
}

async function askRelease(person: Person): Promise<string> {
  const question = "The release authority's public key (file; empty: trust roots come signed)"
  return (await askFile(person, question, true)) || 'none'
}

/** Whether the TPM is real is for its maker to say. */
async function askTpm(
  person: Person,
  answers: Answers,
  given: GivenAnswers,
  probes: Probes,
): Promise<GivenAnswers['tpm']> {
  const set = given.tpm?.simulated !== undefined || (given.tpm?.hardware_roots ?? []).length > 0
  if (set || existsSync(setupFiles(answers).helloReceipt) || (await probes.daemon.status()).seen) return {}
  const facts = valueIn(await probes.tpm.facts())
  // What is wrong with it is for the step to say.
  if (facts === null) return {}
  if (tierByName(facts.vendor.manufacturer) === 'simulated') {
    say('', 'The TPM of this host is SIMULATED. Whatever the host shows proves nothing about hardware.')
    return (await person.yes('Go on all the same, for a trial?', false)) ? { simulated: 'allow' } : {}
  }
  say('', 'That the TPM is real is shown by a certificate of its maker, which the maker publishes.')
  const root = await askFile(
    person,
    `Certificate of ${facts.vendor.manufacturer.trim()} (file; empty: none)`,
    true,
  )
  if (root !== '') return { hardware_roots: [root] }
  say('Without it the TPM is of unknown kind, and artifacts run only if they say --simulated allow.')
  return (await person.yes('Go on so?', false)) ? { simulated: 'allow' } : {}
}

/** Policies that lie there already are somebody's, and decide what may run. */
async function askPolicies(
  person: Person,
  answers: Answers,
  given: GivenAnswers,
): Promise<GivenAnswers['documents']> {
  const { policies, policy } = setupFiles(answers)
  const { documents } = given
  if (documents?.policies !== undefined || documents?.policy !== undefined || existsSync(policy)) return {}
  const found = await foundPolicies(policies)
  if (found === null) return {}
  say(
    '',
    'There are policies already, which decide what may run here:',
    ...found.map(line => `  ${printable(line)}`),
  )
  return (await person.yes('Have you looked at them, and are they to be in force?', false))
    ? { policies: 'take' }
    : {}
}

/** Where the kernel was booted without what IMA needs, and GRUB is there to be told. */
async function askGrub(
  person: Person,
  answers: Answers,
  given: GivenAnswers,
  probes: Probes,
): Promise<GivenAnswers['ima']> {
  const { grub, ima_log } = answers.places
  const asked = given.ima?.boot !== undefined || answers.ima.policy === 'leave' || ima_log === 'none'
  if (asked || !existsSync(grub)) return {}
  const boot = valueIn(await readBoot(probes.files))
  // The directory is there on hosts, too, that something else boots.
  if ((await readBootLoader(probes.files, boot)) !== 'grub') return {}
  if (lackingOptions(boot, valueIn(await readIma(probes.files, [], ima_log))) === '') return {}
  say(
    '',
    "IMA needs ima_policy=tcb ima_hash=sha256 on the kernel's command line. GRUB can be told by a file of its own.",
  )
  return (await person.yes(`Write ${grub}/50-writ.cfg, and run update-grub?`, true)) ? { boot: 'grub' } : {}
}

/** A policy that measures less than the shipped one is this host's own, or goes by other numbers of executions. */
async function askLess(person: Person, answers: Answers, given: GivenAnswers): Promise<GivenAnswers['ima']> {
  const isOut = answers.ima.policy === 'leave' || answers.places.ima_log === 'none'
  if (isOut || given.ima?.less !== undefined) return {}
  const less = await lessThanShipped(answers)
  if (less === null) return {}
  say('', `The IMA policy ${printable(answers.places.ima_policy)} ${printable(less)}.`)
  return (await person.yes('Go on with it all the same?', false)) ? { less: 'accept' } : {}
}

/** A file that is there, by its whole path; empty only where that is an answer. */
async function askFile(person: Person, question: string, orNone = false): Promise<string> {
  for (;;) {
    const path = await person.text(question)
    if (path === '' ? orNone : path.startsWith('/') && existsSync(path)) return path
    say(path.startsWith('/') ? `There is no ${path}.` : 'The whole path, please.')
  }
}

function say(...lines: string[]): void {
  process.stderr.write(lines.map(line => `${line}\n`).join(''))
}
