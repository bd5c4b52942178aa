import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DEFAULT_SCHEMA, type PolicyBundleFields, policyLanguageVersion } from '../authorization/index.ts'
import { parseJson } from '../encoding/json.ts'
import { utf8ToString } from '../encoding/text.ts'
import { CliError } from './error.ts'
import { readAs, systemReason } from './files.ts'

const SCHEMA_FILE = 'schema.cedarschema'
const ENTITIES_FILE = 'entities.json'

/**
 * Reads a policy bundle's parts from a directory. Each `*.cedar` file is one policy, whose id is the file's name; without
 * a schema the project's own is taken, without entities there are none. Any other file is an error, because it would be
 * taken for part of the bundle.
 *
 * @throws CliError
 */
export async function parsePolicyDirectory(
  directory: string,
  { version, notBefore, notAfter }: Pick<PolicyBundleFields, 'version' | 'notBefore' | 'notAfter'>,
): Promise<PolicyBundleFields> {
  let names: string[]
  try {
    names = (await readdir(directory)).filter(name => !name.startsWith('.')).sort()
  } catch (cause) {
    throw new CliError('FILE_MISSING', `cannot read the directory ${directory}: ${systemReason(cause)}`, {
      at: directory,
      cause,
    })
  }
  const stray = names.find(name => !name.endsWith('.cedar') && name !== SCHEMA_FILE && name !== ENTITIES_FILE)
  if (stray !== undefined) {
    throw new CliError('FILE_MALFORMED', `${join(directory, stray)} is not part of a policy bundle`, {
      at: join(directory, stray),
      next: `A bundle is made from *.cedar, ${SCHEMA_FILE} and ${ENTITIES_FILE}.`,
    })
  }
  const policyFiles = names.filter(name => name.endsWith('.cedar'))
  if (policyFiles.length === 0) {
    throw new CliError('FILE_MISSING', `there is no *.cedar file in ${directory}`, { at: directory })
  }
  const text = (name: string, what: string) =>
    readAs(join(directory, name), what, bytes => utf8ToString(bytes))
  const policies: Record<string, string> = Object.create(null)
  for (const name of policyFiles) policies[name.slice(0, -'.cedar'.length)] = await text(name, 'a policy')
  return {
    version,
    notBefore,
    notAfter,
    cedarVersion: policyLanguageVersion(),
    policies,
    schema: names.includes(SCHEMA_FILE) ? await text(SCHEMA_FILE, 'the schema') : DEFAULT_SCHEMA,
    entities: names.includes(ENTITIES_FILE)
      ? await readAs(join(directory, ENTITIES_FILE), 'the entities', parseEntities)
      : [],
  }
}

/** Only the outer form; signing checks the rest. */
function parseEntities(bytes: Buffer): PolicyBundleFields['entities'] {
  return parseJson(bytes, { maxDepth: 24 }) as unknown as PolicyBundleFields['entities']
}
