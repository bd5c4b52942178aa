import { valueIn } from '../probe/index.ts'
import { type Area, AreaReport, type Finding } from './area.ts'
import { AREAS } from './areas/index.ts'
import type { Host } from './host.ts'

export interface Diagnosis {
  readonly findings: readonly Finding[]
  readonly errors: number
  readonly warnings: number
  readonly notChecked: number
}

/**
 * Looks at a host, area by area, one after the other: a TPM and a slow disk are asked one thing at a time.
 *
 * @param areas names of those that are wanted; default: all
 */
export async function diagnose(host: Host, areas: readonly Area[] = AREAS): Promise<Diagnosis> {
  const findings: Finding[] = []
  for (const area of areas) {
    const report = new AreaReport(area)
    await area.look(host, report)
    const container = area.hiddenInContainers === true ? valueIn(await host.container()) : null
    if (container !== null) report.hide(`this runs in a container (${container}), which does not see it`)
    findings.push(...report.end())
  }
  const count = (severity: Finding['severity']) =>
    findings.filter(finding => finding.severity === severity).length
  return { findings, errors: count('error'), warnings: count('warning'), notChecked: count('not checked') }
}
