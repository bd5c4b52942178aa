import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Folder of recorded evidence with known answers (`manifest.json` and what it names): `evidence` below `WRIT_FIXTURES`. Undefined where it
 * is not at hand; tests that need it are left out then.
 */
export const RECORDED_EVIDENCE: string | undefined = (() => {
  const { WRIT_FIXTURES } = process.env
  const folder = WRIT_FIXTURES && join(WRIT_FIXTURES, 'evidence')
  return folder && existsSync(join(folder, 'manifest.json')) ? folder : undefined
})()
