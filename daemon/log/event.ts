/**
 * Kinds of events in the log, each with the MESSAGE_ID that it has in the journal for good (sd_journal_print(3)); docs/journal.md and
 * packaging/catalog/writ.catalog explain them.
 */
export const EVENTS = {
  'daemon-ready': '73fbbc8cc2734044b161359dfcad7623',
  'daemon-stop': 'bb2d8d5a9ed84ed09aedda65464382b4',
  'trust-transition': '25df6d2ce5be4578a9c00ef09e2873bd',
  'decision-denied': 'da4fba71a96a486fa2b55308426131c7',
  'denials-counted': '4475a9980bb64618bd0efd141c1aabf5',
  'execution-started': '4d59d1c8efa24b5987e0c828f47110c3',
  'execution-frozen': '0d9f6c0f3c2b4b0f8a5e6d2c71b3e94a',
  'execution-thawed': '5be1f0a7d94e4a7c9d3f8b62e0c4a817',
  'execution-denied': 'b7c4e2d8915f4e36a0d17f5c3b8e62d9',
  'execution-ended': 'fcc1e0e1dc60476fb557a7485c232431',
  'execution-not-started': 'ddd37fa555fb45c48ff9a9aceb287fa3',
  lapse: 'e386a1a5951f42549fb2b7d73dad5a9b',
  'lineage-failed': '953bb002125d48779540e69e02b4f374',
  watchdog: 'c6dc416b14d74b0693b18882c4d1fe71',
} as const

export type EventName = keyof typeof EVENTS

/** As the `event` of a log object. */
export function isEvent(name: unknown): name is EventName {
  return typeof name === 'string' && Object.hasOwn(EVENTS, name)
}
