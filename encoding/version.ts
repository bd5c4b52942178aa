import { readFileSync } from 'node:fs'

/** The project's version, from package.json: the one place that states it. */
export function readVersion(): string {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}
