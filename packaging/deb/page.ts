// Writes a page of the documentation to standard output with links that hold where it is installed: page.ts PAGE
// What a link leads to and the package does not have is named by its path in the source instead.
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Where layout.sh puts what a page may lead to. The first that fits counts. */
const PLACES = [
  ['README.md', 'usr/share/doc/writ/README.md'],
  ['SECURITY.md', 'usr/share/doc/writ/SECURITY.md'],
  ['CHANGELOG.md', 'usr/share/doc/writ/changelog.gz'],
  ['docs/', 'usr/share/doc/writ/docs/'],
  ['packaging/prometheus/', 'usr/share/writ/prometheus/'],
  ['packaging/ima/ima-policy', 'usr/share/writ/ima-policy'],
  ['proto/examples/python/', 'usr/share/doc/writ/examples/'],
  ['proto/examples/', 'usr/share/doc/writ/examples/'],
  ['proto/writ/', 'usr/share/writ/proto/writ/'],
] as const

const [page = ''] = process.argv.slice(2)
const here = installed(page)
if (here === null) throw new Error(`${page} is not installed`)
process.stdout.write(
  readFileSync(page, 'utf8').replace(
    /\[([^\]]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)/g,
    (_, text, target, anchor = '') => {
      const path = join(dirname(page), target)
      const place = installed(path)
      return place === null
        ? text.includes(path)
          ? text
          : `${text} (\`${path}\`)`
        : `[${text}](${relative(dirname(here), place)}${anchor})`
    },
  ),
)

function installed(path: string): string | null {
  const [from, to] =
    PLACES.find(([name]) => path === name || (name.endsWith('/') && path.startsWith(name))) ?? []
  return from === undefined ? null : to + path.slice(from.length)
}
