import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  replayMeasuredBoot,
  type SimulatedTpm,
  startSimulatedTpm,
} from '../../attestation/tpm2/swtpm/index.ts'
import { DemoError, run } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { RECORDED_HOST, type Workspace } from '../workspace.ts'

/** NV index where vendors store certificates above the EK's (TCG EK Credential Profile 2.5, section 2.2.1.5.2). */
const CHAIN_INDEX = '0x01c00100'

/** Starts a simulated TPM with an EK certificate chain, and boots it as a real host was booted. */
export async function simulate(screen: Screen, workspace: Workspace): Promise<SimulatedTpm> {
  screen.heading('A simulated TPM that has seen a real boot')
  const tpm = await screen.waiting('manufacturing a simulated TPM', () =>
    startSimulatedTpm({ dir: workspace.path('tpm') }),
  )
  workspace.atEnd('simulated TPM', () => tpm.kill())
  await storeChain(tpm)
  const read = (name: string) => readFile(join(RECORDED_HOST, name))
  const extends_ = await screen.waiting('replaying the recorded boot', async () =>
    replayMeasuredBoot(tpm, {
      eventLog: await read('eventlog.bin'),
      userspaceLog: await read('userspace.jsonseq'),
      imaLog: await read('ima.bin'),
    }),
  )
  screen.result(
    'Simulated TPM',
    `swtpm with an EK certificate; ${extends_} measurements of a recorded boot extended, in order`,
  )
  return tpm
}

/** A maker of TPMs stores the certificates between EK certificate and root in the TPM. */
async function storeChain(tpm: SimulatedTpm): Promise<void> {
  const der = `${tpm.paths.intermediateCertificate}.der`
  const steps = [
    ['openssl', 'x509', '-in', tpm.paths.intermediateCertificate, '-outform', 'DER', '-out', der],
    [
      'sh',
      '-c',
      `tpm2_nvdefine -T "$1" -C o -s "$(wc -c <"$2")" -a "ownerwrite|ownerread|authread|no_da" ${CHAIN_INDEX} && tpm2_nvwrite -T "$1" -C o -i "$2" ${CHAIN_INDEX}`,
      'sh',
      tpm.tcti,
      der,
    ],
  ]
  for (const step of steps) {
    const { status, stderr } = await run(step)
    if (status !== 0) throw new DemoError(`${step[0]} failed: ${stderr}`)
  }
}
