import { writeFileSync } from 'node:fs'

/** A vitest reporter. Its JSON report says nothing of errors outside of any test: this one writes their number to `WRIT_UNHANDLED_ERRORS`. */
export default class UnhandledErrors {
  onTestRunEnd(_files: unknown, errors: readonly unknown[]): void {
    const file = process.env.WRIT_UNHANDLED_ERRORS
    if (file !== undefined) writeFileSync(file, `${errors.length}`)
  }
}
