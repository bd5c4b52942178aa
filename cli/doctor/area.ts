import type { Look, Unseen } from '../probe/index.ts'
import type { Host } from './host.ts'

/** What one kind of finding says, wherever it is found. */
export interface FindingDefinition {
  /** An error keeps the host from being governed, or from being safe; a warning is something to know or to do. */
  readonly severity: 'error' | 'warning'
  /** For the reference; a clause. */
  readonly what: string
  /** Why it matters. */
  readonly why: string
  /** What to do; commands in backquotes. */
  readonly todo: string
}

/** One part of a host, and all that can be found wrong with it. */
export interface Area<Code extends string = string> {
  readonly name: string
  /** For people: what is looked at. */
  readonly title: string
  readonly findings: Readonly<Record<Code, FindingDefinition>>
  /** Whether a container hides from who is in it what this looks at: what seems to be missing then need not be. */
  readonly hiddenInContainers?: boolean
  /**
   * Looks, and reports. A code that is neither reported nor skipped is good: whatever a code is judged by comes through
   * {@link AreaReport.need}, or is said otherwise where it was not seen. Changes nothing on the host.
   */
  look(host: Host, report: AreaReport<Code>): Promise<void>
}

/** An area whose report knows its codes. */
export function defineArea<const Code extends string>(area: Area<Code>): Area<Code> {
  return area
}

export interface Finding {
  readonly code: string
  readonly severity: 'error' | 'warning' | 'ok' | 'not checked'
  readonly area: string
  /** What was found here, or why it was not looked at; of what is good the area's title. */
  readonly what: string
  /** A file, a device, a unit; null where it is none. */
  readonly where: string | null
  readonly why: string | null
  readonly todo: string | null
}

/** Takes what an area finds. */
export class AreaReport<Code extends string = string> {
  readonly #area: Area<Code>
  readonly #found: Finding[] = []

  constructor(area: Area<Code>) {
    this.#area = area
  }

  /** @param options `todo` instead of what the definition says */
  found(
    code: Code,
    what: string,
    options: { readonly where?: string | undefined; readonly todo?: string | undefined } = {},
  ): void {
    const { severity, why, todo } = this.#area.findings[code]
    const where = options.where ?? null
    this.#add({ code, severity, area: this.#area.name, what, where, why, todo: options.todo ?? todo })
  }

  /** What the codes are judged by, of what the codes are not checked where it was not seen: null then. */
  need<T>(codes: readonly Code[], look: Look<T>, where?: string): T | null {
    if (look.seen) return look.value
    this.skip(codes, look, where)
    return null
  }

  /** Says that something could not be looked at. What was or will be found of it stands. */
  skip(codes: readonly Code[], reason: string | Unseen, where?: string): void {
    const what = typeof reason === 'string' ? reason : reason.reason
    const todo = typeof reason !== 'string' && reason.why === 'denied' ? 'Run `writ doctor` as root.' : null
    for (const code of codes) {
      if (this.#found.some(finding => finding.code === code)) continue
      this.#add({
        code,
        severity: 'not checked',
        area: this.#area.name,
        what,
        where: where ?? null,
        why: null,
        todo,
      })
    }
  }

  /**
   * As {@link skip}, of all that nothing was said of.
   *
   * @param options `but`: what was looked at and is good
   */
  skipRest(
    reason: string | Unseen,
    { where, but = [] }: { readonly where?: string; readonly but?: readonly Code[] } = {},
  ): void {
    const codes = (Object.keys(this.#area.findings) as Code[]).filter(code => !but.includes(code))
    this.skip(codes, reason, where)
  }

  /** Takes back everything that was said: nothing of this could be seen. */
  hide(reason: string): void {
    this.#found.length = 0
    this.skipRest(reason)
  }

  /** Everything, in the order of the definitions. */
  end(): readonly Finding[] {
    const { name, title, findings } = this.#area
    return Object.keys(findings).flatMap(code => {
      const said = this.#found.filter(finding => finding.code === code)
      const found = said.filter(({ severity }) => severity !== 'not checked')
      if (said.length > 0) return found.length > 0 ? found : said
      return [{ code, severity: 'ok' as const, area: name, what: title, where: null, why: null, todo: null }]
    })
  }

  #add(finding: Finding): void {
    this.#found.push(finding)
  }
}
