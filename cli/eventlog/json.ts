import {
  type DescribedEvent,
  decodedEventJson,
  type EventLogDescription,
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
      bound: 'boolean: whether the digest is that of the content',
      claims: 'json: what no digest covers',
    },
  ],
  nvPcrs: 'json: NV indices that systemd extends like PCRs',
  pcrs: 'json: hexadecimal by bank and number, of those that are extended',
  startupLocality: 'number',
  'secureBoot|null': 'boolean: as the firmware measured it',
  exitBootServices: 'boolean: whether its end was measured',
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
  const { events, userspace, pcrs, ...rest } = described
  return {
    ...rest,
    events: events.map(eventJson),
    userspace: userspace.map(event => userspaceJson(event, described.trustedBank)),
    pcrs: Object.fromEntries(Array.from(pcrs, ([bank, values]) => [bank, Object.fromEntries(values)])),
  }
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
    bound: isBound,
    claims,
  }
}
