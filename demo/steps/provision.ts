import type { SimulatedTpm } from '../../attestation/tpm2/swtpm/index.ts'
import { DemoError, type Finished } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { USERS, type Workspace } from '../workspace.ts'
import { writ, writJson } from '../writ.ts'

/** A host with an identity. */
export interface ProvisionedHost {
  readonly tpm: SimulatedTpm
  /** As `--tpm` takes it. */
  readonly tpmOption: string
  readonly stateDirectory: string
  readonly hostId: string
}

interface InitResult {
  readonly created: boolean
  readonly hostId: string
  readonly tier: string
  readonly hierarchies: Record<string, boolean>
}

/** `writ init`, and once more, to show that it changes nothing the second time. */
export async function provision(
  screen: Screen,
  workspace: Workspace,
  tpm: SimulatedTpm,
): Promise<ProvisionedHost> {
  screen.heading('The host gets its identity')
  const tpmOption = `swtpm:${tpm.paths.socket}`
  const stateDirectory = workspace.path('state')
  const args = ['init', '--user', String(USERS.writd), '--state-dir', stateDirectory, '--tpm', tpmOption]
  screen.command(`writ init --user ${USERS.writd} --state-dir state --tpm swtpm:tpm.sock`)
  const first = await screen.waiting(
    'making an attestation key and a counter in the TPM',
    writJson<InitResult>(args),
  )
  const again = await writJson<InitResult>(args)
  if (!first.created || again.created || again.hostId !== first.hostId)
    throw new DemoError('init is not idempotent')
  const unset = Object.entries({
    owner: 'ownerAuthSet',
    endorsement: 'endorsementAuthSet',
    lockout: 'lockoutAuthSet',
  })
    .filter(([, key]) => first.hierarchies[key] === false)
    .map(([name]) => name)
  screen.line(`host ${first.hostId}`)
  screen.line(`hierarchies without an authValue, as on any new TPM: ${unset.join(', ')}`)
  const other = ['--user', String(USERS.caller), '--state-dir', stateDirectory, '--tpm', tpmOption]
  const clash = await writ(['init', ...other, '--json'])
  screen.result(
    'Host identity',
    `AK under the EK, persistent; a second init changes nothing; ${first.tier}`,
    isRefusedFor(clash, `it belongs to uid ${USERS.writd}`),
  )
  return { tpm, tpmOption, stateDirectory, hostId: first.hostId }
}

/** Whether the host was found unfit for exactly this reason. */
function isRefusedFor({ status, stderr }: Finished, reason: string): boolean {
  try {
    const { error } = JSON.parse(stderr)
    return status === 1 && error.code === 'HOST_UNFIT' && error.message.includes(reason)
  } catch {
    return false
  }
}
