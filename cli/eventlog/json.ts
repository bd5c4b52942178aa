import {
  type DescribedEvent,
  decodedEventJson,
  type EventLogDescription,
  type KeyDatabase,
  type LoadedImage,
  type LoggedCertificate,
  readMeasurement,
  type UserspaceEvent,
} from '../../attestation/index.ts'

/** The form of {@link eventLogJson}. */
export const EVENT_LOG_FORM = {
  format: 'text: agile, ccel, sha1 or empty',
  registers: 'text: tpm, or cc for a confidential VM',
  'specId|null': {
    platformClass: 'number',
    version: { major: 'number', minor: 'number', errata: 'number' },
    uintnSize: 'number',
    banks: [{ id: 'number', name: 'text', digestBytes: 'number', replayable: 'boolean' }],
    vendorInfo: 'hex',
  },
  banks: ['text'],
  'trustedBank|null': 'text: the bank whose digests say what is bound',
  events: [
    {
      index: 'number: of the event in the log',
      offset: 'number: of its first byte in the file',
      pcr: 'number',
      type: 'number: not measured, so never more than a hint',
      typeName: 'text',
      extended: 'boolean: whether it changes the PCR',
      digests: 'json: hexadecimal by bank',
      dataBound: 'boolean: whether the digest is that of all the data',
      data: 'hex',
      decoded: 'json: by the type; each field is {value, bound}',
    },
  ],
  userspace: [
    {
      index: 'number: of the record in its log',
      offset: 'number',
      'pcr|null': 'number',
      register: { kind: 'text: pcr, nv or rtmr', index: 'number' },
      digests: 'json: hexadecimal by bank',
      content: 'text: what systemd says it measured',
      measurement: 'json: the same, read; by its kind',
      bound: 'boolean: whether the digest is that of the content',
      claims: 'json: what no digest covers',
    },
  ],
  nvPcrs: 'json: NV indices that systemd extends like PCRs',
  pcrs: 'json: hexadecimal by bank and number, of those that are extended',
  startupLocality: 'number',
  'secureBoot|null': 'boolean: as the firmware measured it',
  exitBootServices: 'boolean: whether its end was measured',
  keys: 'json: certificates and digests of PK, KEK, db, dbx, dbt and dbr; null where not measured',
  images: [
    {
      event: 'number',
      register: 'number',
      image: 'text: application, boot-driver or runtime-driver',
      digest: 'hex: Authenticode, in the trusted bank',
      'path|null': 'text: as the firmware says; no digest binds it',
      'authority|null': 'json: what it was verified with; the pairing is by the order of the log',
    },
  ],
  secureBootProblems: [{ code: 'text', message: 'text', 'at|null': 'text' }],
  'padding|null': { offset: 'number', bytes: 'number', value: 'number' },
  problems: [
    {
      code: 'text',
      message: 'text',
      at: 'text',
      index: 'number: of the event',
    },
  ],
  quirks: ['text: a known defect of firmware that excused something'],
} as const

/** A described log as `--json` prints it. */
export function eventLogJson(described: EventLogDescription): Record<string, unknown> {
  const { events, userspace, pcrs, secureBootFacts: facts, ...rest } = described
  const { pk, kek, db, dbx, dbt, dbr } = facts
  const databases = Object.entries({ pk, kek, db, dbx, dbt, dbr })
  return {
    ...rest,
    keys: Object.fromEntries(databases.map(([name, database]) => [name, database && keysJson(database)])),
    images: facts.images.map(imageJson),
    secureBootProblems: facts.problems,
    events: events.map(eventJson),
    userspace: userspace.map(event => userspaceJson(event, described.trustedBank)),
    pcrs: Object.fromEntries(Array.from(pcrs, ([bank, values]) => [bank, Object.fromEntries(values)])),
  }
}

/** Without the certificates' bytes: the event has them. */
function keysJson({ event, certificates, imageDigests }: KeyDatabase): Record<string, unknown> {
  return { event, certificates: certificates.map(withoutBytes), imageDigests }
}

function imageJson({ authority, ...image }: LoadedImage): Record<string, unknown> {
  if (authority === null) return { ...image, authority }
  const { entry } = authority
  if (entry.kind !== 'certificate') return { ...image, authority }
  const certificate = withoutBytes(entry.certificate)
  return { ...image, authority: { ...authority, entry: { ...entry, certificate } } }
}

function withoutBytes({ der: _, ...certificate }: LoggedCertificate): Omit<LoggedCertificate, 'der'> {
  return certificate
}

function eventJson({
  event,
  typeName,
  extended,
  dataBound,
  decoded,
}: DescribedEvent): Record<string, unknown> {
  const { index, offset, pcr, type, digests, data } = event
  return {
    index,
    offset,
    pcr,
    type,
    typeName,
    extended,
    digests: Object.fromEntries(digests),
    dataBound,
    data,
    decoded: decodedEventJson(decoded),
  }
}

function userspaceJson(event: UserspaceEvent, trustedBank: string | null): Record<string, unknown> {
  const { index, offset, pcr, register, digests, content, bound, claims } = event
  const isBound = Array.from(bound).some(bank => bank === trustedBank)
  return {
    index,
    offset,
    pcr,
    register,
    digests: Object.fromEntries(digests),
    content,
    measurement: readMeasurement(event),
    bound: isBound,
    claims,
  }
}
