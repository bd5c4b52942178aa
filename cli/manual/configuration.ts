import { shippedFile } from '../../encoding/shipped.ts'
import { type Edition, type Page, paragraph, roffText } from './roff.ts'

/** A configuration file that explains itself, and what its page is called. */
interface ConfigurationFile {
  /** Of the page, without its section. */
  readonly name: string
  /** Where the package installs it. */
  readonly path: string
  /** What it is, in a few words. */
  readonly about: string
  /** Whose it is, for SEE ALSO. */
  readonly program: string
  /** The file as it is shipped. */
  readonly text: string
}

/** A key with the value that it is shipped with, and a section's heading. */
const KEY = /^#?([A-Za-z][\w.-]*) = (.+)$/
const SECTION = /^\[([\w.]+)\]$/

/** The pages of the shipped configuration files. */
export function configurationPages(edition: Edition): Page[] {
  const daemon = {
    name: 'writd.toml',
    path: '/etc/writ/writd.toml',
    about: 'configuration of the Writ daemon',
    program: 'writd',
    text: shippedFile('daemonConfig').toString('utf8'),
  }
  const launcher = {
    name: 'writ-launchd.conf',
    path: '/etc/writ/launchd.conf',
    about: 'limits of the Writ launcher',
    program: 'writ-launchd',
    text: shippedFile('launcherConfig').toString('utf8'),
  }
  return [daemon, launcher].map(file => configurationPage(file, edition))
}

/**
 * The page of a configuration file, in section 5: what its comments say, key by key. What is commented out with `#key = value` is a key as well.
 * So the page has every key that the shipped file has, in its words.
 */
function configurationPage(file: ConfigurationFile, { version, date }: Edition): Page {
  const lines = [
    `.TH ${file.name.toUpperCase()} 5 ${date} "Writ ${version}" "Writ"`,
    '.SH NAME',
    `${roffText(file.name)} \\- ${roffText(file.about)}`,
    '.SH SYNOPSIS',
    `\\fI${roffText(file.path)}\\fR`,
    '.SH DESCRIPTION',
    ...body(file.text),
    '.SH SEE ALSO',
    '.BR writ\\-config (1),',
    `.BR ${roffText(file.program)} (8)`,
  ]
  return { file: `${file.name}.5`, text: `${lines.join('\n')}\n` }
}

function body(text: string): string[] {
  const lines: string[] = []
  let comment: string[] = []
  let paragraphs = 0
  let afterKey = false
  const say = () => {
    if (comment.length > 0)
      lines.push(...(paragraphs++ === 0 ? [] : ['.PP']), ...paragraph(comment.join(' ')))
    comment = []
  }
  for (const line of text.split('\n')) {
    const key = KEY.exec(line)
    const section = SECTION.exec(line)
    if (key !== null) {
      // Keys that follow each other share what is said before the first.
      const shared = afterKey && comment.length === 0
      if (shared) lines.splice(lines.lastIndexOf('.TP') + 2, 0, '.TQ', tag(key))
      else lines.push('.TP', tag(key), ...(comment.length === 0 ? ['\\&'] : paragraph(comment.join(' '))))
      comment = []
    } else if (section !== null) {
      say()
      lines.push(`.SH [${roffText(section[1] ?? '')}]`)
      paragraphs = 0
    } else if (line === '' || line === '#') say()
    else if (line.startsWith('# ')) comment.push(line.slice(2))
    else throw new Error(`neither a key, a section nor a comment: ${line}`)
    afterKey = key !== null
  }
  say()
  return lines
}

function tag([, name = '', value = '']: RegExpExecArray): string {
  return `\\fB${roffText(name)}\\fR = ${roffText(value)}`
}
