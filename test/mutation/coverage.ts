import { Session } from 'node:inspector'

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}
interface Script {
  readonly url: string
  readonly functions: readonly { readonly ranges: readonly Range[] }[]
}

/** What has run since it was last asked: V8's own counts, block by block. They cost nothing in the sources, whose offsets stay. */
export class Coverage {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  #post(method: string, params?: object): unknown {
    let answer: unknown
    this.#session.post(method, params ?? {}, (error: Error | null, result?: unknown) => {
      if (error !== null) throw error
      answer = result
    })
    return answer
  }

  /** Counts begin anew afterwards. @returns by the address of the module, whether the code at an offset has run */
  take(ofInterest: (url: string) => boolean): Map<string, (offset: number) => boolean> {
    const { result } = this.#post('Profiler.takePreciseCoverage') as { result: readonly Script[] }
    const out = new Map<string, (offset: number) => boolean>()
    for (const { url, functions } of result) {
      if (ofInterest(url)) out.set(url, hasRun(functions.flatMap(({ ranges }) => ranges)))
    }
    return out
  }
}

/** The innermost range that an offset is in says how often it ran. */
function hasRun(ranges: readonly Range[]): (offset: number) => boolean {
  return offset => {
    let best: Range | undefined
    for (const range of ranges) {
      if (offset < range.startOffset || offset >= range.endOffset) continue
      if (best === undefined || range.endOffset - range.startOffset <= best.endOffset - best.startOffset)
        best = range
    }
    return best !== undefined && best.count > 0
  }
}
