import type { Mutant } from './mutant.ts'

const UNUSED = 'what is given in place of what was refused is not used'
const OWN = 'the text has no uid, so none is the same'
const WORDS = 'words of a message'
const NEVER = 'it never is: what is thrown is for whoever changes the code'
const SHAPE = 'what is deeper is refused for its shape, with the same code'

/** Mutants that no test can tell from the original, each with why. By file and change, so that lines may move. */
export const EQUIVALENT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'authorization/scope.ts': {
    '/[a-z]/i.test(at.charAt(place.length)) → false': "no field's name begins with another's",
    'without program': UNUSED,
    "without return this.refuse('the artifact leaves a variable to the caller, who…":
      'the loop below refuses the same variable at the same place',
    "user !== 'own' → true": OWN,
    "user !== 'own' && signed !== 'own' → true": OWN,
    "signed !== 'own' → true": OWN,
    'this.refuse(`no ${stdio[name]} is signed`, `request.stdio.${name}`, 0): 0 + 1': UNUSED,
    'wanted !== null → true': 'null is more than nothing',
    'a.name < b.name → a.name <= b.name': 'no name is there twice',
    'a.name < b.name ? -1 : 1: 1 + 1': 'only the sign of what a comparison gives counts',
    '-1: 1 + 1': 'only the sign of what a comparison gives counts',
    'program === undefined → false': 'there is always one: what is thrown is for whoever changes the code',
  },
  'authorization/stages/use.ts': {
    'digest === null → false': NEVER,
    'view?.used ?? 0: 0 + 1': 'without a view there is no claim, and the number is not looked at',
    'false → true': WORDS,
  },
  'authorization/stages/integrity.ts': {
    'gate.deadlineInMs !== null → true': 'null is not more than nothing',
    "gate.state === 'UNATTESTED' → true": WORDS,
    "gate.state === 'UNATTESTED' → false": WORDS,
    "reasons.map(({ code }) => code).join(', ') || 'no reason is known' → reasons.map(({ code }) => code).join(', ') && 'no reason is known'":
      WORDS,
    "tier === 'simulated' → true": WORDS,
    "tier === 'simulated' → false": WORDS,
  },
  'authorization/secret-policy.ts': {
    'without v.maxLength(400)': 'a key of P-256 and a signature have one length each',
    'v.maxLength(400): 400 + 1': 'a key of P-256 and a signature have one length each',
    'v.maxLength(400): 400 - 1': 'a key of P-256 and a signature have one length each',
    'list(bootPcr, 15): 15 + 1': 'there are no more than fifteen',
    'pcr > (items[i - 1] ?? 0) → pcr >= (items[i - 1] ?? 0)': 'a list has nothing twice',
    'items[i - 1] ?? 0: 0 + 1': 'the first is not compared, and each other has one before it',
    'maxDepth: 6: 6 + 1': SHAPE,
    'maxDepth: 6: 6 - 1': SHAPE,
  },
  'authorization/host-labels.ts': {
    'maxDepth: 3: 3 + 1': SHAPE,
    'maxDepth: 3: 3 - 1': SHAPE,
    "labels.notAfter !== 'any' → true": "every time sorts before 'any'",
  },
  'authorization/secrets.ts': {
    'without v.maxLength(Math.ceil(most / 3) * 4)': 'the check behind it refuses what is longer',
    'most / 3 → most * 3': 'the check behind it refuses what is longer',
    'most / 3: 3 - 1': 'the check behind it refuses what is longer',
    'Math.ceil(most / 3) * 4: 4 + 1': 'the check behind it refuses what is longer',
    'without return false': 'nothing is as good as false',
    'maxDepth: 5: 5 + 1': SHAPE,
    'maxDepth: 5: 5 - 1': SHAPE,
  },
  'authorization/narrow.ts': {
    "parent === 'own' → false": 'the text has no uid, so none is the same',
    "parent === 'none' → false": 'the text has no limits, and nothing is at most undefined',
    "child[name] !== 'any' → true": "no comparison with 'any' holds",
    "most !== 'any' → true": "no comparison with 'any' holds",
    "without 'in its life'": WORDS,
    "without 'at one time'": WORDS,
    "without 'within a minute'": WORDS,
  },
}

/** Why a mutant is equivalent; null if it has to be killed. */
export function reasonOf({ file, change }: Mutant): string | null {
  return EQUIVALENT[file]?.[change] ?? null
}

/** What is listed and is no mutant (any more). */
export function staleEquivalents(mutants: readonly Mutant[], files: readonly string[]): string[] {
  const known = new Set(mutants.map(({ file, change }) => `${file}: ${change}`))
  return files.flatMap(file =>
    Object.keys(EQUIVALENT[file] ?? {})
      .map(change => `${file}: ${change}`)
      .filter(name => !known.has(name)),
  )
}
