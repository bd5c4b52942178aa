import { decodedEventJson, decodeEvent } from '../../attestation/eventlog/decode/index.ts'
import {
  ANY_EVENT_LOG,
  judgeEventLog,
  parseEventLog,
  parseUserspaceLog,
  QUIRKS,
  readImaLog,
  replayAll,
} from '../../attestation/index.ts'
import { authenticodeDigests, predictPcr11, readUki, ukiReference } from '../../attestation/uki/index.ts'
import { ukiImage } from '../support/pe-image.ts'
import { beginnings, hostFiles, recordedFiles } from './seeds.ts'
import { eventsOf, imaEntries, pieces, records, tcgEvents } from './structures.ts'
import { each, type FuzzTarget, lines } from './target.ts'

const eventLogs = () => {
  const whole = [...hostFiles('eventlog.bin'), ...recordedFiles(/^(?:eventlog|quote)\/.*\.(?:bin|log)$/)]
  const short = whole.flatMap(log =>
    [3, 12].map(n => log.subarray(0, eventsOf(log)[n]?.start ?? 0)).filter(({ length }) => length > 0),
  )
  return [...short, ...whole]
}
const imaLogs = () =>
  beginnings(
    [...hostFiles('ima.bin'), ...recordedFiles(/^ima\/.*\.bin$/)].map(log => log.subarray(0, 16 << 10)),
    500,
    3000,
  )
const imaTexts = () =>
  beginnings(
    [...hostFiles('ima.ascii'), ...recordedFiles(/^(?:ima\/.*\.(?:ascii|txt)|quote\/.*ima\.txt)$/)].map(log =>
      log.subarray(0, 8 << 10),
    ),
    400,
  )

const quirks = QUIRKS.map(({ name }) => name)

/** The logs, and the images that they tell of. */
export const LOG_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'eventlog',
    seeds: eventLogs(),
    structure: tcgEvents,
    words: ['Spec ID Event03\0', 'Spec ID Event02\0', 'StartupLocality\0', 'SecureBoot', 'EV_EFI_ACTION'],
    run(input) {
      each(input, bytes => void parseEventLog(bytes))
      const log = parseEventLog(input, ANY_EVENT_LOG)
      replayAll(log)
      judgeEventLog(
        log,
        new Map([
          [
            'sha256',
            new Map([
              [0, Buffer.alloc(32)],
              [7, Buffer.alloc(32)],
            ]),
          ],
        ]),
        { quirks },
      )
      if (log.format === 'ccel') judgeEventLog(log, new Map(), { registers: 'cc' })
    },
  },
  {
    name: 'eventlog-decode',
    seeds: eventLogs(),
    structure: tcgEvents,
    words: [
      'S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0',
      'EFI PART',
      'grub_cmd: ',
      'kernel_cmdline: ',
      'SP800-155 Event3',
      'sbat,1,2024',
    ],
    run(input) {
      for (const event of parseEventLog(input, ANY_EVENT_LOG).events)
        JSON.stringify(decodedEventJson(decodeEvent(event, 'sha256')))
    },
  },
  {
    name: 'userspace',
    seeds: beginnings([...hostFiles('userspace.jsonseq'), ...recordedFiles(/userspace.*\.json/)], 400, 1200),
    structure: records(pieces('\x1e')),
    words: ['\x1e', '"pcr":', '"nv_index":', '"digests":', 'sha256', '"content":', '\n', '11'],
    run: input => void parseUserspaceLog(input),
  },
  {
    name: 'ima-binary',
    seeds: imaLogs(),
    structure: imaEntries,
    words: [
      'ima-ng',
      'ima-sig',
      'ima-ngv2',
      'ima-buf',
      'ima-modsig',
      'evm-sig',
      'sha256:\0',
      'verity:sha256:\0',
      'd-ng|n-ng',
      'ima',
    ],
    run(input) {
      each(input, bytes => void readImaLog(bytes, { form: 'binary', bank: 'sha1', extend: 'padded' }))
      const log = readImaLog(input, { form: 'binary' })
      for (let i = 0; i < log.length; i++) log.entry(i)
    },
  },
  {
    name: 'ima-ascii',
    seeds: imaTexts(),
    structure: lines,
    words: ['ima-ng', 'ima-sig', ' sha256:', '10 ', '\n', ' ', 'ima-ngv2', 'verity:sha1:', 'd-ng|n-ng'],
    run(input) {
      const log = readImaLog(input, { form: 'ascii' })
      for (let i = 0; i < log.length; i++) log.entry(i)
    },
  },
  {
    name: 'uki',
    seeds: [
      ukiImage([
        ['.osrel', 'ID=test\n'],
        ['.cmdline', 'root=/dev/vda2\0'],
        ['.uname', '6.12.0'],
        ['.sbat', 'sbat,1\n'],
        ['.pcrpkey', 'key'],
        ['.linux', Buffer.alloc(600, 7)],
      ]),
    ],
    words: ['.linux\0\0', '.profile', '.cmdline', '.sdmagic', 'PE\0\0', 'MZ', '.dtbauto', '.ucode\0\0'],
    run(input) {
      const uki = readUki(input)
      authenticodeDigests(uki.image, ['sha256'])
      each(input, () => void predictPcr11(uki, { bank: 'sha256', phases: [] }))
      each(input, () => void ukiReference(uki, { banks: ['sha256'], phases: ['sysinit'] }))
    },
  },
]
