import { printable, styled } from '../output.ts'
import type { Area, Finding } from './area.ts'
import type { Diagnosis } from './doctor.ts'

const STYLES = { error: 'red', warning: 'yellow', ok: 'green', 'not checked': 'dim' } as const

/** What is wrong, area by area, each with why and what to do; what is good only as one line for its area, unless all is wanted. */
export function diagnosisLines(
  { findings, errors, warnings, notChecked }: Diagnosis,
  areas: readonly Area[],
  all: boolean,
): string[] {
  const lines = areas.flatMap(({ name, title }) => {
    const here = findings.filter(({ area }) => area === name)
    const said = here.filter(({ severity }) => all || severity === 'error' || severity === 'warning')
    const good = here.filter(({ severity }) => severity === 'ok').length
    const not = here.filter(({ severity }) => severity === 'not checked')
    return [
      `${styled('bold', name.padEnd(14))} ${title}`,
      ...said.flatMap(findingLines),
      ...(all
        ? []
        : [styled('dim', `  ${good} of ${good + said.length + not.length} are good${unlooked(not)}`)]),
    ]
  })
  return [...lines, '', verdict(errors, warnings, notChecked)]
}

function unlooked(not: readonly Finding[]): string {
  if (not.length === 0) return ''
  const reasons = [...new Set(not.map(({ what }) => what))]
  return printable(`, ${not.length} not checked: ${reasons.join('; ')}`)
}

function findingLines({ code, severity, what, where, why, todo }: Finding): string[] {
  const place = where === null ? '' : `${where}: `
  return [
    `  ${styled(STYLES[severity], severity)} ${code}`,
    ...(severity === 'ok' ? [] : [printable(`      ${place}${what}`)]),
    ...(why === null ? [] : [`      ${why}`]),
    ...(todo === null ? [] : [`      ${styled('bold', '→')} ${printable(todo)}`]),
  ]
}

function verdict(errors: number, warnings: number, notChecked: number): string {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`
  const rest = `${count(warnings, 'warning')}, ${notChecked} not checked`
  return errors === 0
    ? `${styled('green', 'no error')}, ${rest}`
    : `${styled('red', count(errors, 'error'))}, ${rest}`
}
