import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'
import { platformsPage } from './platforms.ts'

if (RECORDED_EVIDENCE === undefined)
  console.warn('platforms: left out, there is no recorded evidence (WRIT_FIXTURES)')

describe.skipIf(RECORDED_EVIDENCE === undefined)('docs/platforms.md (WRIT_FIXTURES)', () => {
  it('is what is read from the recorded logs', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/platforms.md'), 'utf8')
    expect(page).toBe(platformsPage(RECORDED_EVIDENCE ?? ''))
  })
})
