import type { GovernanceServiceHandlers } from '../../proto/generated/writ/v1/GovernanceService.ts'
import type { Caller, DaemonCore, LoadedDocument } from '../core.ts'
import { requireAuditor, requireGovernor } from './access.ts'
import { type HandlerContext, unary } from './handler.ts'
import { type LevelSwitch, levelMessage, logLevelOf } from './log-level-message.ts'
import { malformed, requiredEnvelope } from './request.ts'

/** Most revocations in one answer. */
const MAX_PAGE = 1000

/**
 * `writ.v1.GovernanceService` over the daemon. Every change needs a configured uid, which is checked here, *and* the
 * signature of a governance key, which the daemon checks. The log level needs only the uid.
 */
export function governanceService(
  core: DaemonCore,
  context: HandlerContext,
  levels: LevelSwitch,
): GovernanceServiceHandlers {
  /** A change: from a governor, with an envelope. */
  const change = <Answer>(apply: (caller: Caller, envelope: Buffer) => Promise<Answer>) =>
    unary<{ envelope: Buffer }, Answer>(context, (caller, request) => {
      requireGovernor(caller)
      return apply(caller, requiredEnvelope(request.envelope))
    })
  const load = (apply: (caller: Caller, envelope: Buffer) => Promise<LoadedDocument>) =>
    change(async (caller, envelope) => {
      const { digest, lineageIndex } = await apply(caller, envelope)
      return { digest, lineageIndex: lineageIndex.toString() }
    })
  return {
    LoadPolicy: load((caller, envelope) => core.loadPolicy(caller, envelope)),
    LoadHostLabels: load((caller, envelope) => core.loadHostLabels(caller, envelope)),
    LoadTrustRoots: load((caller, envelope) => core.loadTrustRoots(caller, envelope)),
    LoadSecretPolicy: load((caller, envelope) => core.loadSecretPolicy(caller, envelope)),
    LoadReferenceValues: load((caller, envelope) => core.loadReferenceValues(caller, envelope)),

    Revoke: change(async (caller, envelope) => {
      const { epoch, lineageIndex, executionIds } = await core.revoke(caller, envelope)
      return {
        epoch: epoch.toString(),
        lineageIndex: lineageIndex.toString(),
        executionIds: [...executionIds],
      }
    }),

    ClearFailure: change(async (caller, envelope) => {
      const { lineageIndex } = await core.clearFailure(caller, envelope)
      return { lineageIndex: lineageIndex.toString() }
    }),

    SetLogLevel: unary(context, (caller, request) => {
      requireGovernor(caller)
      const chosen = logLevelOf(request)
      const inForce =
        chosen === null ? levels.reset(caller.uid) : levels.choose(chosen.level, chosen.seconds, caller.uid)
      return levelMessage(inForce)
    }),

    ListRevocations: unary(context, (caller, { pageSize, pageToken }) => {
      if (!caller.governor) requireAuditor(caller)
      if (pageSize > MAX_PAGE) throw malformed('page_size', `is above ${MAX_PAGE}`)
      if (!/^[0-9]{0,10}$/.test(pageToken)) throw malformed('page_token', 'is not of this list')
      return core.listRevocations(Number(pageToken), pageSize === 0 ? MAX_PAGE : pageSize)
    }),
  }
}
