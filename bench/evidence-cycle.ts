import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  appraise,
  captureReferenceValues,
  encodeReferenceValues,
  LogReplays,
  parseReferenceValues,
  QUOTED_SELECTION,
} from '../attestation/index.ts'
import { password } from '../attestation/tpm2/authorization.ts'
import { quoteCommand } from '../attestation/tpm2/commands/quote.ts'
import { Executor } from '../attestation/tpm2/executor.ts'
import { provisionHost } from '../attestation/tpm2/provision/index.ts'
import { replayMeasuredBoot, startSimulatedTpm } from '../attestation/tpm2/swtpm/index.ts'
import { compare, type Row, timed } from './measure.ts'

export const evidenceCycleTitle = 'evidence cycle on swtpm, log unchanged'

const read = (name: string) =>
  readFileSync(new URL(`../test/fixtures/hosts/debian13-uki/${name}`, import.meta.url))

/** One cycle (quote in an HMAC session, appraisal of an unchanged log) beside the bare TPM2_Quote on the same connection. */
export async function evidenceCycle(directory: string): Promise<Row> {
  const simulated = await startSimulatedTpm({ dir: join(directory, 'tpm') })
  const tpm = simulated.connect()
  const logs = {
    eventLog: read('eventlog.bin'),
    userspaceLog: read('userspace.jsonseq'),
    imaLog: read('ima.bin'),
  }
  try {
    const { identity, secrets } = await provisionHost(tpm, join(directory, 'identity'), {})
    await tpm.close()
    await replayMeasuredBoot(simulated, logs)
    const transport = simulated.transport()
    const executor = new Executor(transport, 5000)
    const ak = { handle: identity.akHandle, name: identity.akName }
    const enrolled = { publicArea: identity.akPublicArea, name: identity.akName }
    const quote = (extraData: Buffer) =>
      executor.withHmacSession(secrets.akAuth, session =>
        executor.run(quoteCommand(ak, extraData, QUOTED_SELECTION), session),
      )
    const first = randomBytes(32)
    const reference = parseReferenceValues(
      encodeReferenceValues(
        captureReferenceValues({
          evidence: { quote: await quote(first), ...logs },
          expected: { ak: enrolled, extraData: first },
          name: 'bench',
          created: '2026-01-01T00:00:00.000Z',
          components: 'any',
        }),
      ),
    )
    const replays = new LogReplays()
    const cycle = async () => {
      const extraData = randomBytes(32)
      const evidence = { quote: await quote(extraData), ...logs }
      const expected = { ak: enrolled, extraData }
      const result = appraise({
        evidence,
        reference,
        expected,
        previous: null,
        governedDigests: new Set(),
        replays,
      })
      if (result.verdict !== 'pass') throw new Error('the recorded boot does not appraise')
    }
    const bare = () =>
      executor.run(quoteCommand(ak, randomBytes(32), QUOTED_SELECTION), password(secrets.akAuth))
    const row = await compare(
      evidenceCycleTitle,
      2,
      timed(cycle),
      [{ name: 'TPM2_Quote', time: timed(bare) }],
      300,
    )
    await transport.close()
    return row
  } finally {
    await tpm.close().catch(() => undefined)
    await simulated.stop()
  }
}
