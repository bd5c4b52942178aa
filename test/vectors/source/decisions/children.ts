import type { Given } from '../../form.ts'
import { asked, type Case, type Group } from '../case.ts'
import { artifact, OTHER_DIGEST, PROGRAM_DIGEST } from '../world.ts'
import { asChild, parent } from './circumstances.ts'

const EXCEEDED = ['subjects', 'SCOPE_EXCEEDED'] as const

type Terms = NonNullable<Given['parent']>['terms']
const within = (terms: Partial<Terms>, state: Partial<NonNullable<Given['parent']>> = {}) => {
  const it = parent(state).parent
  return { ...asChild, parent: { ...it, terms: { ...it.terms, ...terms } } }
}
const few = (fields: Partial<Exclude<Terms['children'], 'none'>>) => ({
  children: { max: 8, atOnce: 4, perMinute: 6, depth: 2, programs: 'any' as const, ...fields },
})

const children: Case[] = [
  ['narrower', 'less of everything', within({}), 'permit'],
  ['no children', 'the parent may have none', within({ children: 'none' }), EXCEEDED],
  [
    'the last one',
    'seven of eight were started',
    within(few({}), { childrenStarted: 7, childrenRunning: 0 }),
    'permit',
  ],
  ['one too many', 'eight of eight were started', within(few({}), { childrenStarted: 8 }), EXCEEDED],
  ['one too many at once', 'four of four run', within(few({}), { childrenRunning: 4 }), EXCEEDED],
  [
    'one too many in a minute',
    'six of six were started in this one',
    within(few({}), { childrenLastMinute: 6 }),
    EXCEEDED,
  ],
  [
    'too many in each way',
    'all are said',
    within(few({}), { childrenStarted: 8, childrenRunning: 4, childrenLastMinute: 6 }),
    ['subjects', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED', 'SCOPE_EXCEEDED'],
  ],
  ['a program that is listed', 'by its digest', within(few({ programs: [PROGRAM_DIGEST] })), 'permit'],
  ['a program that is not listed', 'another digest', within(few({ programs: [OTHER_DIGEST] })), EXCEEDED],
  [
    'an unlimited child',
    'a limit that the parent has and the child has not',
    within({ limits: { ...parent().parent.terms.limits, cpuSeconds: 10 } }),
    EXCEEDED,
  ],
  [
    'a longer limit',
    'more memory than the parent',
    within({ limits: { ...parent().parent.terms.limits, memoryBytes: 1 } }),
    EXCEEDED,
  ],
  [
    'writes elsewhere',
    'where the parent may not',
    within({ sandbox: { network: 'none', seccomp: 'default', writable: ['/srv'] } }),
    EXCEEDED,
  ],
  [
    'more system calls',
    'the parent has the strict profile',
    within({ sandbox: { network: 'none', seccomp: 'strict', writable: ['/var/tmp'] } }),
    EXCEEDED,
  ],
  ['lives longer', 'the parent ends before', within({ notAfter: '2026-11-21T23:59:59.999Z' }), EXCEEDED],
  ['older evidence', 'the parent asks for younger', within({ maxEvidenceAgeMs: 29_999 }), EXCEEDED],
  [
    'a device',
    'the parent has none',
    {
      ...within({}),
      artifact: artifact(it => {
        it.parent.execution = 'any'
        it.scope.devices = ['gpu']
      }),
    },
    EXCEEDED,
  ],
  [
    'detached',
    'the parent is not',
    {
      ...within({}),
      artifact: artifact(it => {
        it.parent.execution = 'any'
        it.scope.detach = true
      }),
      ...asked({ detach: true }),
    },
    EXCEEDED,
  ],
  [
    "the parent's user",
    'the same as the parent',
    {
      ...within({ user: { uid: 2000, gid: 2000, groups: [2001] } }),
      artifact: artifact(it => {
        it.parent.execution = 'any'
        it.scope.user = { uid: 2000, gid: 2000, groups: [] }
      }),
    },
    'permit',
  ],
  [
    'another user',
    'not the same as the parent',
    {
      ...within({ user: { uid: 2001, gid: 2000, groups: [] } }),
      artifact: artifact(it => {
        it.parent.execution = 'any'
        it.scope.user = { uid: 2000, gid: 2000, groups: [] }
      }),
    },
    EXCEEDED,
  ],
  [
    'as deep',
    'a child may go less deep than its parent',
    { ...within(few({ depth: 2 })), ...grandchildren(2), ...asked({ children: true }) },
    EXCEEDED,
  ],
  [
    'one less deep',
    'less deep',
    { ...within(few({ depth: 2 })), ...grandchildren(1), ...asked({ children: true }) },
    'permit',
  ],
  [
    'more grandchildren',
    'more children than its parent may have',
    { ...within(few({ depth: 2, max: 1 })), ...grandchildren(1), ...asked({ children: true }) },
    EXCEEDED,
  ],
  [
    'frozen over a lapse',
    'the parent is killed',
    {
      ...within({}),
      artifact: artifact(it => {
        it.parent.execution = 'any'
        it.onLapse = { freeze: { grace: 60 } }
      }),
    },
    EXCEEDED,
  ],
  [
    'frozen as long',
    'the parent is frozen as long',
    {
      ...within({ onLapse: { freeze: { graceMs: 60_000 } } }),
      artifact: artifact(it => {
        it.parent.execution = 'any'
        it.onLapse = { freeze: { grace: 60 } }
      }),
    },
    'permit',
  ],
]

/** An artifact for children that may have children. */
function grandchildren(depth: number) {
  return {
    artifact: artifact(it => {
      it.parent.execution = 'any'
      it.scope.children = { max: 2, atOnce: 2, perMinute: 2, depth, programs: [PROGRAM_DIGEST] }
    }),
  }
}

export const CHILDREN: Group = {
  file: 'children',
  description: 'A child against the terms of its parent: nothing may be wider.',
  cases: children,
}
