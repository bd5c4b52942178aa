import { cpSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Tpm } from '../../attestation/tpm2/index.ts'
import { replayMeasuredBoot } from '../../attestation/tpm2/swtpm/index.ts'
import { Attestor } from '../../daemon/attestor.ts'
import { TrustGate } from '../../daemon/gate.ts'
import { History } from '../../daemon/history/history.ts'
import { LeasePage } from '../../daemon/native.ts'
import { Recorder } from '../../daemon/recorder.ts'
import type { SignedReferenceValues } from '../../daemon/reference-values.ts'
import { WallClock } from '../../daemon/wall-clock.ts'
import { recordedHost } from '../attestation/recorded-host.ts'
import { type SimulatedHost, startSimulatedHost } from '../attestation/tpm2/simulated-host.ts'
import { governance } from '../authorization/scenario.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { capture } from './support/captured-reference.ts'
import { MAX_AGE_NS, silent } from './support/world.ts'

const boot = recordedHost('debian13-uki').evidence

describe('the clock of a TPM, across restarts of the daemon', () => {
  let host: SimulatedHost
  let tpm: Tpm
  let reference: SignedReferenceValues
  let dir: string

  beforeAll(async () => {
    host = await startSimulatedHost()
  }, 60_000)
  afterAll(async () => {
    await tpm?.close()
    await host?.end()
  })

  /** Boots the host as it was recorded. */
  async function bootHost(): Promise<void> {
    await tpm?.close()
    await replayMeasuredBoot(host.simulated, boot)
    tpm = host.simulated.connect()
  }

  /** A daemon from its start to its stop: takes up what the lineage says, runs a cycle, leaves the lineage behind. */
  async function daemonRun() {
    const lineage = await openLog(join(dir, 'lineage'), {})
    const hostId = host.identity.akName.toString('hex')
    const history = await History.fold(lineage, {
      governance: [governance.public],
      hostId,
      recoversByItself: true,
    })
    const clock = { ns: 1_000_000_000n }
    const bootNs = () => ++clock.ns
    const gate = new TrustGate({
      lease: LeasePage.create(),
      maxEvidenceAgeNs: MAX_AGE_NS,
      now: () => clock.ns,
    })
    const attestor = new Attestor({
      ...{ tpm, lineage, gate, bootNs, tier: 'simulated', cycleMs: 1e6, recoverByItself: true, log: silent },
      ak: { publicArea: host.identity.akPublicArea, name: host.identity.akName },
      signingKey: host.ak,
      clock: new WallClock({ wallMs: () => Number(clock.ns / 1_000_000n), bootNs, monotonicNs: bootNs }),
      openLog: async kind => openSync(join(dir, kind), 'r'),
      recorder: new Recorder(lineage, bootNs, () => Date.now()),
      sessionKeySpkiDigest: Buffer.alloc(32, 9),
      reference: () => reference,
      governed: new Set(),
      previous: await history.clockHistory(),
    })
    const { appraisal, error } = await attestor.cycle()
    await attestor.stop()
    await lineage.close()
    if (appraisal === null) throw new Error(`no appraisal: ${error?.code} ${error?.message}`)
    return {
      step: appraisal.clockStep,
      codes: appraisal.reasons.map(({ code }) => code),
      state: gate.snapshot().state,
    }
  }

  test('goes on; a TPM that is rolled back, with a host that is otherwise as it should be, fails', async () => {
    dir = temporaryDirectory()
    for (const [name, bytes] of Object.entries({
      eventlog: boot.eventLog,
      userspace: boot.userspaceLog,
      ima: boot.imaLog,
    }))
      writeFileSync(join(dir, name), bytes)
    await bootHost()
    reference = await capture(host, tpm, 'clock')
    expect(await daemonRun()).toEqual({ step: 'first', codes: [], state: 'ATTESTED' })
    expect(await daemonRun()).toEqual({ step: 'running', codes: [], state: 'ATTESTED' })

    // What somebody with the TPM's storage (a hypervisor's snapshot) can do.
    await tpm.close()
    await host.simulated.stop()
    const { state } = host.simulated.paths
    cpSync(state, join(dir, 'snapshot'), { recursive: true })
    await host.simulated.start()
    await bootHost()
    expect(await daemonRun()).toEqual({ step: 'rebooted', codes: ['HOST_REBOOTED'], state: 'ATTESTED' })
    await bootHost()
    expect(await daemonRun()).toMatchObject({ step: 'rebooted', state: 'ATTESTED' })

    await tpm.close()
    await host.simulated.stop()
    rmSync(state, { recursive: true })
    cpSync(join(dir, 'snapshot'), state, { recursive: true })
    await host.simulated.start()
    await bootHost()
    const rolledBack = { step: 'rollback-reset', codes: ['CLOCK_ROLLED_BACK'], state: 'FAILED' }
    expect(await daemonRun()).toEqual(rolledBack)
    // The one that went back is not what the next is held against.
    expect(await daemonRun()).toEqual(rolledBack)
  }, 60_000)
})
