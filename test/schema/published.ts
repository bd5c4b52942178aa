import { publishedSchemas } from '../../authorization/published/documents.ts'
import { type JsonSchema, jsonSchemaOf } from '../../authorization/published/json-schema.ts'
import { eventSchema, eventTables } from '../../lineage/events/published.ts'
import { PUBLISHED_RECEIPT_SCHEMAS } from '../../receipt/published.ts'

/** Every schema under docs/schema, by the name of its file. */
export function allSchemas(): Map<string, JsonSchema> {
  return new Map([
    ...publishedSchemas(),
    ['lineage-event-v1.schema.json', eventSchema()],
    ...PUBLISHED_RECEIPT_SCHEMAS.map(receiptSchemaOf),
  ])
}

function receiptSchemaOf({
  name,
  title,
  schema,
  descriptions,
}: (typeof PUBLISHED_RECEIPT_SCHEMAS)[number]): [string, JsonSchema] {
  const $id = `https://writ.dev/schema/${name}.schema.json`
  const $schema = 'https://json-schema.org/draft/2020-12/schema'
  return [`${name}.schema.json`, { $schema, $id, title, ...jsonSchemaOf(schema, path => descriptions[path]) }]
}

const BEGIN = '<!-- events: written by npm run schema -->\n'
const END = '<!-- /events -->\n'

/** docs/lineage.md with the tables of events as the code has them. */
export function withEventTables(page: string): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error('docs/lineage.md has no place for the tables of events')
  return `${page.slice(0, from + BEGIN.length)}\n${eventTables()}${page.slice(to)}`
}
