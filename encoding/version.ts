import { shippedFile } from './shipped.ts'

/** The project's version, from package.json: the one place that states it. */
export function readVersion(): string {
  return (JSON.parse(shippedFile('manifest').toString()) as { version: string }).version
}
