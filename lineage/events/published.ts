import type { JsonObject } from '../../encoding/json.ts'
import { COMMON, DESCRIPTIONS } from './descriptions.ts'
import { type EventType, SCHEMAS } from './schema.ts'

const TYPES = Object.keys(SCHEMAS) as EventType[]

/** What an event, and a field of it, is for. */
function described(type: EventType): JsonObject {
  const { says, fields } = DESCRIPTIONS[type]
  const schema = SCHEMAS[type].schema as { properties: Record<string, JsonObject> }
  const texts: Readonly<Record<string, string>> = { ...COMMON, ...fields }
  const properties = Object.entries(schema.properties).map(([key, field]) => [
    key,
    texts[key] === undefined ? field : { ...field, description: texts[key] },
  ])
  return { description: says, ...schema, properties: Object.fromEntries(properties) }
}

/**
 * The JSON Schema (draft 2020-12) of an entry of the lineage. An entry is canonical JSON (RFC 8785) besides, and some strings have bounds
 * that a schema cannot say.
 */
export function eventSchema(): JsonObject {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://writ.dev/schema/lineage-event-v1.schema.json',
    title: 'Entry of the lineage',
    oneOf: TYPES.map(type => ({ $ref: `#/$defs/${type}` })),
    $defs: Object.fromEntries(TYPES.map(type => [type, described(type)])),
  }
}

/** The same for people, in Markdown: a table of fields for each kind of event. */
export function eventTables(): string {
  const row = (name: string, text: string) => `| \`${name}\` | ${text} |`
  const table = (fields: Readonly<Record<string, string>>) => [
    '| field | |',
    '|---|---|',
    ...Object.entries(fields).map(([name, text]) => row(name, text)),
    '',
  ]
  return [
    'Every event has',
    '',
    ...table(COMMON),
    ...TYPES.flatMap(type => {
      const { says, fields } = DESCRIPTIONS[type]
      return [`### ${type}`, '', says, '', ...(Object.keys(fields).length === 0 ? [] : table(fields))]
    }),
  ].join('\n')
}
