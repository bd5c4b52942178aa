import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { imaEntry, templateHash } from '../attestation/ima-log.ts'
import { stranger, ToldLog } from './support/told-log.ts'

const PCRS = 'PCRs of the checkpoints'

function extended(value: Buffer, digest: Buffer): Buffer {
  return hash('sha256', Buffer.concat([value, digest]), 'buffer')
}

/** A host whose log claims ATTESTED, and what happens to its PCRs. */
async function attested(): Promise<ToldLog> {
  const log = await ToldLog.make()
  measure(log, '/boot')
  await log.attest()
  return log
}

/** The kernel extends PCR 10, and its list has the entry. */
function measure(log: ToldLog, path: string, listed = true, extend: 'native' | 'padded' = 'native'): void {
  log.tpm.pcrs[10] = extended(log.tpm.pcrs[10] as Buffer, templateHash({ path }, extend))
  if (listed) log.ima = Buffer.concat([log.ima, imaEntry({ path })])
}

/** Systemd extends a PCR; it is in its log if `listed`. */
function phase(log: ToldLog, pcr: number, listed = true): void {
  const digest = hash('sha256', listed ? 'ready' : 'never said')
  log.tpm.pcrs[pcr] = extended(log.tpm.pcrs[pcr] as Buffer, Buffer.from(digest, 'hex'))
  const value = {
    pcr,
    digests: [{ hashAlg: 'sha256', digest }],
    content_type: 'systemd',
    content: { string: 'ready' },
  }
  const record = Buffer.from(`\x1e${JSON.stringify(value)}\n`)
  log.userspace = Buffer.concat([log.userspace ?? Buffer.alloc(0), ...(listed ? [record] : [])])
}

async function pcrsOf(log: ToldLog): Promise<string | undefined> {
  return (await log.verify())[PCRS]
}

describe('the PCRs of checkpoints', () => {
  it('are those of the appraisal before; where nothing is claimed they may be any', async () => {
    const log = await ToldLog.make()
    await log.tell()
    await log.attest()
    await log.tell()
    await log.gate('ATTESTED', 'STALE')
    log.tpm.pcrs[3] = Buffer.alloc(32, 3)
    await log.tell()
    expect(await pcrsOf(log)).toBe('VERIFIED 1 as appraised, 3 while the log does not claim ATTESTED')
  })

  it('are not checked without an attestation key, and fail with the chain', async () => {
    const log = await attested()
    const { ak: _, ...trust } = log.trust
    Object.assign(log, { trust })
    expect(await pcrsOf(log)).toBe('NOT CHECKED no attestation key was given')
    const broken = await attested()
    await broken.tell({ origin: 'another' })
    expect(await pcrsOf(broken)).toMatch(/^FAILED the checkpoints are not all anchored/)
  })

  it.each([0, 7, 12])('fail when PCR %i changes while the log claims ATTESTED', async pcr => {
    const log = await attested()
    await log.tell()
    log.tpm.pcrs[pcr] = Buffer.alloc(32, 7)
    const entry = await log.tell()
    expect(await pcrsOf(log)).toMatch(
      new RegExp(`^FAILED the checkpoint in entry ${entry}: PCR ${pcr} changed since`),
    )
  })

  it('fail so as well when no other checkpoint says what they were', async () => {
    const log = await attested()
    log.tpm.pcrs[7] = Buffer.alloc(32, 7)
    await log.tell()
    expect(await pcrsOf(log)).toMatch(/^FAILED .*: the PCRs are not those of the appraisal/)
  })

  it('fail in the published checkpoint just as in the others', async () => {
    const log = await attested()
    await log.tell()
    log.tpm.pcrs[7] = Buffer.alloc(32, 7)
    expect(await pcrsOf(log)).toMatch(/^FAILED the published checkpoint: PCR 7 changed/)
  })

  it('do not count where the next appraisal failed: the log says so itself', async () => {
    const log = await attested()
    await log.tell()
    const before = log.tpm.pcrs[7] as Buffer
    log.tpm.pcrs[7] = Buffer.alloc(32, 7)
    await log.tell()
    await log.appraise('fail')
    await log.gate('ATTESTED', 'FAILED')
    expect(await pcrsOf(log)).toBe(
      'VERIFIED 1 as appraised, 1 while the log does not claim ATTESTED, 1 before an appraisal that failed',
    )
    const passing = await attested()
    await passing.tell()
    passing.tpm.pcrs[7] = Buffer.alloc(32, 7)
    await passing.tell()
    passing.tpm.pcrs[7] = before
    await passing.appraise()
    expect(await pcrsOf(passing)).toMatch(/^FAILED .*: PCR 7 changed/)
  })

  it('fail where the log claims ATTESTED on nothing', async () => {
    const log = await ToldLog.make()
    await log.gate('UNATTESTED', 'ATTESTED')
    await log.tell()
    expect(await pcrsOf(log)).toMatch(
      /^FAILED .*: the log claims ATTESTED, and no appraisal before it passed/,
    )
    const failing = await ToldLog.make()
    await failing.appraise('fail')
    await failing.gate('UNATTESTED', 'ATTESTED')
    await failing.tell()
    expect(await pcrsOf(failing)).toMatch(/^FAILED .*no appraisal before it passed/)
  })

  it('fail with an appraisal whose quote is not by the attestation key', async () => {
    const log = await ToldLog.make()
    await log.log.append(await log.appraised('pass', stranger('AK', log.signer)))
    await log.gate('UNATTESTED', 'ATTESTED')
    await log.tell()
    expect(await pcrsOf(log)).toMatch(/^FAILED .*: the quote of the appraisal in entry 1 does not hold/)
  })

  describe('PCR 10', () => {
    it.each(['native', 'padded'] as const)('goes along the list of the next appraisal (%s)', async extend => {
      const log = await ToldLog.make()
      measure(log, '/boot', true, extend)
      await log.attest()
      measure(log, '/a', true, extend)
      await log.tell()
      measure(log, '/b', true, extend)
      await log.appraise()
      expect(await pcrsOf(log)).toBe('VERIFIED 2 as appraised')
    })

    it('is as in the next appraisal, whatever its list', async () => {
      const log = await attested()
      measure(log, '/a', false)
      await log.tell()
      await log.appraise()
      expect(await pcrsOf(log)).toMatch(/^VERIFIED/)
    })

    it('fails when the list of the next appraisal does not go through it', async () => {
      const log = await attested()
      const before = log.tpm.pcrs[10] as Buffer
      measure(log, '/hidden', false)
      await log.tell()
      log.tpm.pcrs[10] = before
      measure(log, '/a')
      await log.appraise()
      expect(await pcrsOf(log)).toMatch(
        /^FAILED .*: PCR 10 changed .* to what the IMA log does not go through/,
      )
    })

    it('is held against the list of an appraisal that was quoted after it, not one that was only recorded after it', async () => {
      const log = await attested()
      const late = await log.appraised()
      measure(log, '/a')
      await log.tell()
      await log.log.append(late)
      expect(await pcrsOf(log)).toMatch(/^VERIFIED 0 as appraised, 2 beyond/)
      await log.appraise()
      expect(await pcrsOf(log)).toBe('VERIFIED 2 as appraised')
      const hidden = await attested()
      const before = hidden.tpm.pcrs[10] as Buffer
      const earlier = await hidden.appraised()
      measure(hidden, '/hidden', false)
      await hidden.tell()
      await hidden.log.append(earlier)
      hidden.tpm.pcrs[10] = before
      measure(hidden, '/a')
      await hidden.appraise()
      expect(await pcrsOf(hidden)).toMatch(/^FAILED .*: PCR 10 changed .* does not go through/)
    })

    it('is not beyond what was appraised because the next appraisal says that it was quoted before', async () => {
      const log = await ToldLog.make()
      // Whoever writes the log may bind a quote to what it was long ago, where the order of clocks has nothing to say.
      const { binding } = await log.appraised()
      await log.attest()
      const before = log.tpm.pcrs[10] as Buffer
      measure(log, '/hidden', false)
      await log.tell()
      log.tpm.pcrs[10] = before
      measure(log, '/a')
      const next = await log.appraised('pass', log.signer, binding)
      await log.log.append({ ...next, clock: next.clock && { ...next.clock, clock: '1' } })
      expect(await pcrsOf(log)).toMatch(
        /^FAILED .*: the clock of the appraisal in entry 4 is not the one in its quote/,
      )
    })

    it('fails when it goes back', async () => {
      const log = await ToldLog.make()
      measure(log, '/boot')
      const before = log.tpm.pcrs[10] as Buffer
      measure(log, '/a')
      await log.attest()
      log.tpm.pcrs[10] = before
      await log.tell()
      expect(await pcrsOf(log)).toMatch(/^FAILED .*: PCR 10 is from before the appraisal in entry 1/)
    })

    it('may be beyond what was appraised, where nothing was after it', async () => {
      const log = await attested()
      await log.tell()
      measure(log, '/a', false)
      expect(await pcrsOf(log)).toBe('VERIFIED 1 as appraised, 1 beyond what an appraisal has covered yet')
    })

    it('is found from the digest alone, where the values were not kept and others of this boot were', async () => {
      const log = await attested()
      await log.tell()
      measure(log, '/a')
      await log.tell({ keep: false })
      measure(log, '/b')
      await log.appraise()
      expect(await pcrsOf(log)).toBe('VERIFIED 3 as appraised')
    })
  })

  it('are not known where values were not kept; the newest has to be', async () => {
    const log = await attested()
    measure(log, '/a')
    await log.tell({ keep: false })
    measure(log, '/b')
    await log.appraise()
    expect(await pcrsOf(log)).toBe('VERIFIED 1 as appraised, 1 without the evidence to tell')
    const newest = await attested()
    measure(newest, '/a')
    expect((await newest.verify({}, false))[PCRS]).toBe(
      'NOT CHECKED 0 as appraised, 1 without the evidence to tell',
    )
  })

  it('of what systemd measures later are as its log says', async () => {
    const log = await attested()
    phase(log, 11)
    await log.appraise()
    await log.tell()
    phase(log, 11)
    measure(log, '/a')
    await log.tell()
    phase(log, 11)
    measure(log, '/b')
    await log.appraise()
    await log.tell()
    expect(await pcrsOf(log)).toBe('VERIFIED 4 as appraised')
    phase(log, 11, false)
    await log.tell()
    expect(await pcrsOf(log)).toMatch(/^VERIFIED 3 as appraised, 2 beyond/)
    measure(log, '/c')
    await log.appraise()
    expect(await pcrsOf(log)).toMatch(/^FAILED .*: PCR 11 changed .*systemd's log does not say why/)
  })

  it('of a TPM that was reset while the log claims ATTESTED fail, unless a start comes before the entry', async () => {
    const log = await attested()
    await log.tell()
    const pending = { size: log.size, root: log.log.rootHash() }
    log.tpm.resetCount++
    await log.start()
    await log.tell(pending)
    expect(await pcrsOf(log)).toBe(
      'VERIFIED 1 as appraised, 1 while the log does not claim ATTESTED, 1 signed after the TPM was reset',
    )
    const other = await attested()
    await other.tell()
    other.tpm.resetCount++
    await other.tell()
    expect(await pcrsOf(other)).toMatch(/^FAILED .*: the TPM was reset since the appraisal in entry 1/)
    const published = await attested()
    published.tpm.resetCount++
    expect(await pcrsOf(published)).toMatch(/^NOT CHECKED .*1 signed after the TPM was reset/)
  })
})
