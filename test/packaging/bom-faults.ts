// What the schema of CycloneDX 1.6 (bom-1.6.schema.json, ECMA-424) says of the parts of it that are used here, and what it only says in words:
// references that lead somewhere, and only once.

type Members = Readonly<Record<string, unknown>>

/** A rule for a value: says what is wrong with it, at which place. */
type Rule = (value: unknown, at: string) => string[]

const text: Rule = (value, at) => (typeof value === 'string' && value !== '' ? [] : [`${at} is no text`])
const like =
  (pattern: RegExp): Rule =>
  (value, at) =>
    typeof value === 'string' && pattern.test(value) ? [] : [`${at} is not like ${pattern}`]
const oneOf =
  (...values: readonly unknown[]): Rule =>
  (value, at) =>
    values.includes(value) ? [] : [`${at} is none of ${values.join(', ')}`]
const list =
  (rule: Rule): Rule =>
  (value, at) => {
    if (!Array.isArray(value)) return [`${at} is no list`]
    const seen = new Set(value.map(item => JSON.stringify(item)))
    return [
      ...(seen.size === value.length ? [] : [`${at} has something twice`]),
      ...value.flatMap((item, i) => rule(item, `${at}[${i}]`)),
    ]
  }
/** An object with these members and no others; those of `required` have to be there. */
const object =
  (members: Readonly<Record<string, Rule>>, required: readonly string[]): Rule =>
  (value, at) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return [`${at} is no object`]
    const names = Object.keys(value)
    return [
      ...required.filter(name => !names.includes(name)).map(name => `${at}.${name} is missing`),
      ...names.flatMap(
        name => members[name]?.((value as Members)[name], `${at}.${name}`) ?? [`${at}.${name} is not known`],
      ),
    ]
  }

const HASH_LENGTHS: Readonly<Record<string, number>> = { 'SHA-256': 64, 'SHA-512': 128 }
const hash: Rule = (value, at) => {
  const { alg, content } = value as { alg: string; content: string }
  const length = HASH_LENGTHS[alg] ?? -1
  return new RegExp(`^[0-9a-f]{${Math.max(length, 0)}}$`).test(content) && length > 0
    ? []
    : [`${at} is no digest`]
}
/** One identifier of SPDX, or one expression alone. */
const licence: Rule = (value, at) => {
  const { license, expression } = value as { license?: { id?: string }; expression?: string }
  if (expression !== undefined) return like(/^[\w.+-]+( (OR|AND|WITH) [\w.+-]+)+$/)(expression, at)
  return like(/^[\w.+-]+$/)(license?.id, `${at}.license.id`)
}
const PURL = /^pkg:[a-z]+\/(?:(?:%40)?[\w.-]+\/)*[\w.-]+@[\w.%+-]+(?:\?[a-z]+=[\w.-]+)?$/
const component: Rule = (value, at) =>
  object(
    {
      type: oneOf('application', 'platform', 'library', 'file'),
      'bom-ref': text,
      name: text,
      version: text,
      scope: oneOf('required', 'optional', 'excluded'),
      hashes: list(hash),
      licenses: list(licence),
      cpe: like(/^cpe:2\.3:[aho](:(([?*a-zA-Z0-9._-])|(\\[\\*?!"#$%&'()+,/:;<=>@[\]^`{|}~]))+){5}(:\*){5}$/),
      purl: like(PURL),
      properties: list(object({ name: text, value: text }, ['name'])),
      components: list(component),
    },
    ['type', 'name', 'bom-ref'],
  )(value, at)

const bill = object(
  {
    bomFormat: oneOf('CycloneDX'),
    specVersion: oneOf('1.6'),
    serialNumber: like(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
    version: oneOf(1),
    metadata: object(
      {
        timestamp: like(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        lifecycles: list(object({ phase: oneOf('build') }, ['phase'])),
        component,
      },
      ['timestamp', 'component'],
    ),
    components: list(component),
    dependencies: list(object({ ref: text, dependsOn: list(text) }, ['ref'])),
    compositions: list(
      object({ aggregate: oneOf('complete', 'incomplete', 'unknown'), assemblies: list(text) }, [
        'aggregate',
      ]),
    ),
  },
  [
    'bomFormat',
    'specVersion',
    'serialNumber',
    'version',
    'metadata',
    'components',
    'dependencies',
    'compositions',
  ],
)

interface Referred {
  readonly 'bom-ref': string
  readonly components?: readonly Referred[]
}

/** Everything that is wrong with a bill of materials: one line each. */
export function bomFaults(value: unknown): string[] {
  const faults = bill(value, 'bom')
  if (faults.length > 0) return faults
  const bom = value as {
    metadata: { component: Referred }
    components: Referred[]
    dependencies: { ref: string; dependsOn?: string[] }[]
    compositions: { assemblies: string[] }[]
  }
  const refs = (of: readonly Referred[]): string[] =>
    of.flatMap(part => [part['bom-ref'], ...refs(part.components ?? [])])
  const all = refs([bom.metadata.component, ...bom.components])
  const named = [
    ...bom.dependencies.flatMap(({ ref, dependsOn = [] }) => [ref, ...dependsOn]),
    ...bom.compositions.flatMap(({ assemblies }) => assemblies),
  ]
  const of = bom.dependencies.map(({ ref }) => ref)
  return [
    ...all.filter((ref, i) => all.indexOf(ref) !== i).map(ref => `${ref} is two things`),
    ...of.filter((ref, i) => of.indexOf(ref) !== i).map(ref => `${ref} depends twice`),
    ...named.filter(ref => !all.includes(ref)).map(ref => `${ref} is nowhere`),
  ]
}
