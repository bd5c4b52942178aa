// Writes the changelog in Debian's form (deb-changelog(5)) to standard output: changelog.ts CHANGELOG.md VERSION
// What is not released yet is the version that is being built, dated by SOURCE_DATE_EPOCH.
import { readFileSync } from 'node:fs'

const [file = '', version = ''] = process.argv.slice(2)
const epoch = Number(process.env.SOURCE_DATE_EPOCH)
if (!(epoch > 0)) throw new TypeError('SOURCE_DATE_EPOCH is not set')
const MAINTAINER = /^Maintainer: (.*)$/m.exec(readFileSync(new URL('control', import.meta.url), 'utf8'))?.[1]
const WIDTH = 78

const [, section = ''] = readFileSync(file, 'utf8').split(/^## .*\n/m)
const groups = section.split(/^### /m).flatMap(group => {
  const [heading = '', ...points] = group.split(/^- /m)
  return points.length === 0 ? [] : [{ heading: heading.trim(), points }]
})
if (groups.length === 0) throw new Error(`${file} has no points under its first heading`)
process.stdout.write(
  [
    `writ (${version}) unstable; urgency=medium`,
    ...groups.flatMap(({ heading, points }) => [
      '',
      ...(heading === '' ? [] : [`  [ ${heading} ]`]),
      ...points.flatMap(point => wrapped(point)),
    ]),
    '',
    ` -- ${MAINTAINER}  ${new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')}`,
    '',
  ].join('\n'),
)

function wrapped(point: string): string[] {
  const lines: string[] = []
  let line = '  *'
  for (const word of point.trim().split(/\s+/)) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = '   '
    }
    line += ` ${word}`
  }
  return [...lines, line]
}
