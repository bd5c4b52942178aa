import type * as v from 'valibot'
import { clearanceSchema } from '../clearance.ts'
import { labelsSchema } from '../host-labels.ts'
import { bundleSchema } from '../policy/bundle.ts'
import { revocationSchema } from '../revocation.ts'
import { statementSchema } from '../statement.ts'
import { trustSchema } from '../trust.ts'
import { DESCRIPTIONS } from './descriptions.ts'
import { type JsonSchema, jsonSchemaOf } from './json-schema.ts'

/** A document whose schema is published under docs/schema. */
interface Published {
  /** Of the file and of the schema's URI, and what {@link DESCRIPTIONS} has of it. */
  readonly name: keyof typeof DESCRIPTIONS
  readonly title: string
  readonly schema: v.GenericSchema
}

const DOCUMENTS: readonly Published[] = [
  { name: 'authorization-v1', title: 'Payload of an authorization artifact', schema: statementSchema },
  { name: 'trust-v1', title: 'Payload of a trust roots document', schema: trustSchema },
  { name: 'policy-bundle-v1', title: 'Payload of a policy bundle', schema: bundleSchema },
  { name: 'revocation-v1', title: 'Payload of a revocation', schema: revocationSchema },
  { name: 'host-labels-v1', title: "Payload of a host's labels", schema: labelsSchema },
  { name: 'failure-clearance-v1', title: 'Payload of a clearance', schema: clearanceSchema },
]

/** The published schemas by the name of their file. */
export function publishedSchemas(): Map<string, JsonSchema> {
  return new Map(
    DOCUMENTS.map(({ name, title, schema }) => [
      `${name}.schema.json`,
      {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $id: `https://writ.dev/schema/${name}.schema.json`,
        title,
        ...jsonSchemaOf(schema, path => DESCRIPTIONS[name][path]),
      },
    ]),
  )
}
