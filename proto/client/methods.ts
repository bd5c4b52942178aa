import type { MethodDefinition } from '@grpc/proto-loader'
import { writV1 } from '../load.ts'

/** The services' methods, to be given to `WritClient.call` and `WritClient.read`. */
export const api = {
  execution: writV1.ExecutionService.service,
  attestation: writV1.AttestationService.service,
  lineage: writV1.LineageService.service,
  governance: writV1.GovernanceService.service,
} as const

/** A method as a client uses it: what it takes may leave fields out, what it gives has them all. */
export type Method<Input, Output> = MethodDefinition<Input, object, object, Output>

type Api = typeof api
/** The methods of a service without grpc-js's index signature. */
type NamesOf<Service> = Extract<
  keyof { [Name in keyof Service as string extends Name ? never : Name]: unknown },
  string
>

/** Every method of the API, such as `execution.Get`. */
export type MethodName = { [S in keyof Api]: `${S}.${NamesOf<Api[S]>}` }[keyof Api]

/**
 * What the client may do by itself with a call whose connection was lost, or could not be made, so that nobody knows what became
 * of it.
 *
 * - `yes`: send it again. Doing it twice is doing it once.
 * - `no`: never. The caller has to look at what happened, and decide.
 * - `unless-minting`: `yes` if the request brings an artifact, else `no`.
 * - `resume`: a stream; it is opened again where it was cut, by the method of the client that knows how.
 */
export type Repeat = 'yes' | 'no' | 'unless-minting' | 'resume'

interface RepeatRule {
  readonly repeat: Repeat
  readonly why: string
}

/** A signed change counts up: of two that arrive, the second is refused as a roll-back, and its answer hides that the first took. */
const SIGNED_ONCE = 'a second one is refused as a roll-back, which would hide that the first is in force'

/** For each method, whether it is repeated, and why. A method that is added to the API does not compile without a line here. */
export const REPEAT: Readonly<Record<MethodName, RepeatRule>> = {
  'execution.Authorize': {
    repeat: 'unless-minting',
    why: 'with an artifact it consumes nothing; without one each call makes another artifact, each good for a run',
  },
  'execution.Execute': {
    repeat: 'no',
    why: 'the permit may have been consumed and the program may have run: a second time is a second use, a second run',
  },
  'execution.Attach': {
    repeat: 'resume',
    why: 'it starts nothing and one caller at a time has it; what was sent says from where the next one goes on',
  },
  'execution.Get': { repeat: 'yes', why: 'reads' },
  'execution.List': { repeat: 'yes', why: 'reads' },
  'execution.Terminate': {
    repeat: 'yes',
    why: 'an id is drawn at random and never used again: what has ended cannot be ended twice, and a kill should arrive',
  },
  'execution.Signal': {
    repeat: 'no',
    why: 'a program may count its signals: whoever sends one decides whether to send another',
  },
  'execution.Resize': { repeat: 'yes', why: 'a size that is set twice is set once' },
  'execution.CloseOutput': { repeat: 'yes', why: 'what is closed stays closed' },
  'execution.Watch': { repeat: 'resume', why: 'its first answers are the present state' },
  'execution.ReadOutput': {
    repeat: 'no',
    why: 'from its begin again it would give twice what was given; a reader that wants that opens another',
  },
  'execution.GetReceipt': {
    repeat: 'resume',
    why: 'what it proves never changes; it is read again from its beginning',
  },
  'attestation.GetStatus': { repeat: 'yes', why: 'reads' },
  'attestation.WatchStatus': { repeat: 'resume', why: 'its first answer is the present state' },
  'attestation.GetReport': {
    repeat: 'resume',
    why: 'reads, from its beginning again; the nonce ties whichever answer comes to this question',
  },
  'lineage.GetCheckpoint': { repeat: 'yes', why: 'reads; a fresh one signs the same log once more' },
  'lineage.ReadEntries': { repeat: 'resume', why: 'entries never change; it goes on after the last one' },
  'lineage.LocateEntries': { repeat: 'yes', why: 'reads' },
  'lineage.GetInclusionProof': { repeat: 'yes', why: 'reads' },
  'lineage.GetConsistencyProof': { repeat: 'yes', why: 'reads' },
  'lineage.GetBlob': { repeat: 'resume', why: 'a blob never changes; it is read again from its beginning' },
  'governance.LoadPolicy': { repeat: 'no', why: SIGNED_ONCE },
  'governance.LoadHostLabels': { repeat: 'no', why: SIGNED_ONCE },
  'governance.LoadTrustRoots': { repeat: 'no', why: SIGNED_ONCE },
  'governance.LoadReferenceValues': { repeat: 'no', why: SIGNED_ONCE },
  'governance.LoadSecretPolicy': { repeat: 'no', why: SIGNED_ONCE },
  'governance.Revoke': { repeat: 'no', why: SIGNED_ONCE },
  'governance.ListRevocations': { repeat: 'yes', why: 'reads' },
  'governance.ClearFailure': { repeat: 'no', why: SIGNED_ONCE },
  'governance.SetLogLevel': { repeat: 'yes', why: 'a level that is set twice is set once' },
}

const BY_PATH = new Map<string, Repeat>(
  Object.entries(REPEAT).map(([name, { repeat }]) => {
    const [service = '', method = ''] = name.split('.')
    const methods = api[service as keyof Api] as unknown as Readonly<Record<string, { path: string }>>
    return [methods[method]?.path ?? name, repeat]
  }),
)

/** Whether this request may be sent again when it is not known what became of it. What is not in the table may not. */
export function mayRepeat(path: string, request: unknown): boolean {
  const repeat = BY_PATH.get(path) ?? 'no'
  if (repeat !== 'unless-minting') return repeat === 'yes'
  const { artifact } = request as { artifact?: Uint8Array | string | null }
  return artifact !== undefined && artifact !== null && artifact.length > 0
}
