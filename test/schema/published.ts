import { publishedSchemas } from '../../authorization/published/documents.ts'
import type { JsonSchema } from '../../authorization/published/json-schema.ts'
import { eventSchema, eventTables } from '../../lineage/events/published.ts'

/** Every schema under docs/schema, by the name of its file. */
export function allSchemas(): Map<string, JsonSchema> {
  return new Map([...publishedSchemas(), ['lineage-event-v1.schema.json', eventSchema()]])
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
