import { APPRAISAL_TARGETS } from './appraisal-target.ts'
import { AUTHORIZATION_TARGETS } from './authorization-targets.ts'
import { DOCUMENT_TARGETS } from './document-targets.ts'
import { LOG_TARGETS } from './log-targets.ts'
import { QUOTE_TARGETS } from './quote-targets.ts'
import type { FuzzTarget } from './target.ts'

/** Every parser of what comes from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  ...LOG_TARGETS,
  ...QUOTE_TARGETS,
  ...DOCUMENT_TARGETS,
  ...AUTHORIZATION_TARGETS,
  ...APPRAISAL_TARGETS,
]
