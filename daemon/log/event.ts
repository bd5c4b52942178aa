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
  'restart-announced': '06f3ac26baa541e2862a7cd48ec3f647',
  'executions-handed-over': '3d9a6be1f5724c0c8e27a94b1d60f38a',
  'execution-not-kept': 'e0c84f7a25b14d69b3fa71c90e5d826b',
  'executions-kept': '91b7d5e03ac84f2fb6041ce8d97f235c',
  'execution-adopted': '7fa21c9e6d0b4853a1e45b80cf3d972e',
  'execution-not-as-permitted': '2b8e0d6f94c1476ea5379d0c1be864f3',
  'execution-stays': 'c25e80b94a7d4f16950fd3a6e1b7482d',
  'execution-denied': 'b7c4e2d8915f4e36a0d17f5c3b8e62d9',
  'execution-ended': 'fcc1e0e1dc60476fb557a7485c232431',
  'execution-not-started': 'ddd37fa555fb45c48ff9a9aceb287fa3',
  lapse: 'e386a1a5951f42549fb2b7d73dad5a9b',
  'lineage-failed': '953bb002125d48779540e69e02b4f374',
  watchdog: 'c6dc416b14d74b0693b18882c4d1fe71',
  'daemon-failed': '49594cf398eb40dd9063b341dd15791e',
  'unclean-stop': '8fe1c761f1114d50b0d6cc311da1bc89',
  'acceptance-needed': '946d5c45780c4646b5580b15fea71254',
  'lineage-accepted': 'ade998cc41394020a4331cd69c683ef0',
  'lineage-whole': '080ffd902cb64fa89db049542b0aa304',
  'lineage-unreadable': '46783950c9e64c6fa633de2a9a2971b5',
  'checkpoint-failed': '8ea9c003ccc848669ed25554e4c54b74',
  'counter-not-moved': 'bb69fd917e1b43e68f5cafadfee3c46d',
  'evidence-dropped': '8333d481002f417ea32a8810119ee20e',
  'evidence-unnamed': '044e025b65a04b54804d449348e786d0',
  'evidence-not-dropped': '30bab6978f4f4a239f575729e550a395',
  'evidence-over-bound': '2d259548a3b24bce8001e1261b442f35',
  'evidence-within-bound': '0d512fcb5ca6427e8eec9d40aa9d857e',
  snapshot: '4a435c0f1a0d4f75bd628c8c9aa21a80',
  'snapshot-failed': 'dee3f178eaee44cebe534f3b37e8b6df',
  'document-refused': '3c78006bd7744b9c8218f1a3a322bca7',
  'clock-untrusted': '46ae66cf86074fc2888f73ac7f9299d9',
  'clock-trusted': 'b76326dd24fe4ebc9c52e57e954df4aa',
  'metrics-failed': 'a4c7d1e95b3f4082b6e81d7f20c935aa',
  'log-level': '6f1d0c8e52b94a7d8e3a40f7c9b5d216',
} as const

export type EventName = keyof typeof EVENTS

/** As the `event` of a log object. */
export function isEvent(name: unknown): name is EventName {
  return typeof name === 'string' && Object.hasOwn(EVENTS, name)
}
