import { type Attempt, CALLER } from './attempt.ts'

const caller = [`uid=${CALLER}`]

/** Takes more than was signed. */
export const EXCESSES: readonly Attempt[] = [
  {
    name: 'processes',
    naive: caller,
    run: () => ['processes', '40'],
    order: () => ({ limits: { pids: 16 } }),
    refused: /EAGAIN/,
  },
  {
    name: 'open-files',
    naive: caller,
    run: () => ['open-files', '64'],
    order: () => ({ limits: { openFiles: 32 } }),
    refused: /EMFILE/,
  },
  {
    name: 'file-size',
    naive: caller,
    run: () => ['file-size', '1048576'],
    order: () => ({ limits: { fileBytes: 65536 } }),
    refused: /EFBIG/,
  },
  {
    name: 'address-space',
    naive: caller,
    run: () => ['memory', String(1 << 30)],
    order: () => ({ limits: { addressSpaceBytes: 1 << 28 } }),
    refused: /ENOMEM/,
  },
  { name: 'core', naive: caller, run: () => ['core'], refused: /EPERM/ },
]
