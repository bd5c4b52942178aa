import { canonicalJson } from '../../encoding/json.ts'
import { type Check, NO_REASONS, type StageChecks } from '../check.ts'
import { type Evaluation, toOpen } from '../evaluation.ts'
import { termsToMint } from '../mint-terms.ts'
import { checkNarrower } from '../narrow.ts'
import type { ExecutionRequest } from '../request.ts'
import { checkSubjects, reasonsOf, resolveTerms, SCOPE_FIELDS, type ScopeField } from '../scope.ts'
import type { Scope } from '../statement.ts'

/** A request's field and what the scope signs for it, as JSON: an argument may have spaces. */
function asked(request: ExecutionRequest, field: ScopeField): string {
  const value = request[field]
  return value === null ? 'what is signed' : canonicalJson(value)
}

function signed(scope: Scope, field: ScopeField): string {
  if (field === 'program') return scope.program.path
  if (field === 'files') return canonicalJson(scope.files.map(({ path }) => path))
  const value = field === 'detach' ? scope.detach === true : scope[field]
  return typeof value === 'string' ? value : canonicalJson(value)
}

/** One field of the request within what is signed for it. */
function scopeField(field: ScopeField): Check {
  return {
    name: `scope.${field}`,
    reasons: ({ opened, resolution }) =>
      opened.statement === null || resolution === null ? NO_REASONS : reasonsOf(resolution, field),
    compared: ({ input, opened }) =>
      opened.statement === null
        ? 'not applicable'
        : {
            found: asked(input.request, field),
            wanted: signed(opened.statement.predicate.scope, field),
          },
  }
}

/** What the request comes to under the artifact's scope, or, without an artifact, under what one may be minted for. */
function resolve(evaluation: Evaluation): void {
  const { input, opened } = evaluation
  evaluation.resolution =
    opened.statement === null
      ? termsToMint(input.request, evaluation.observed ?? [], input)
      : resolveTerms(opened.statement, input.request)
}

function isChild({ input, resolution }: Evaluation): boolean {
  return Boolean(resolution?.terms && input.caller?.parentExecution && input.parent)
}

/** The bytes that would run, and the request, against what is signed. */
export const SUBJECTS_STAGE: StageChecks = {
  stage: 'subjects',
  enter: resolve,
  checks: [
    {
      name: 'subjects',
      reasons: evaluation => checkSubjects(toOpen(evaluation), evaluation.observed ?? []),
      compared: evaluation => ({
        found: (evaluation.observed ?? [])
          .map(item => `${item.path} ${'sha256' in item ? item.sha256 : item.error}`)
          .join(', '),
        wanted: toOpen(evaluation)
          .map(({ path, sha256 }) => `${path} ${sha256 ?? 'any'}`)
          .join(', '),
      }),
    },
    ...SCOPE_FIELDS.map(scopeField),
    {
      name: 'terms to mint',
      reasons: ({ opened, resolution }) =>
        opened.statement === null && resolution !== null ? resolution.reasons : NO_REASONS,
      compared: ({ opened, input: { request } }) =>
        opened.statement === null
          ? { found: canonicalJson(request), wanted: 'what an artifact may be minted for' }
          : 'not applicable',
    },
    {
      name: "parent's scope",
      reasons: evaluation => {
        const { input, resolution } = evaluation
        if (!isChild(evaluation) || resolution?.terms == null || input.parent === null) return NO_REASONS
        return checkNarrower(resolution.terms, input.parent)
      },
      compared: evaluation => {
        const { input, resolution } = evaluation
        if (!input.caller?.parentExecution) return 'not applicable'
        if (!isChild(evaluation) || resolution?.terms == null || input.parent === null) return null
        return {
          found: canonicalJson(resolution.terms),
          wanted: `nothing wider than ${canonicalJson(input.parent.terms)}, ${input.parent.childrenStarted} children started`,
        }
      },
    },
  ],
  // The digests in the terms are only worth something when every subject was found as signed.
  leave: evaluation => {
    evaluation.terms = evaluation.resolution?.terms ?? null
  },
}
