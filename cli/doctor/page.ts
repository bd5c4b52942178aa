import type { Area } from './area.ts'

const escaped = (text: string): string => text.replaceAll('|', '\\|')

/** docs/doctor.md: every finding, as the areas define them. */
export function findingsPage(areas: readonly Area[]): string {
  return `${[
    '# What `writ doctor` looks at',
    '',
    '<!-- Made by `npm run manual` from cli/doctor/areas. -->',
    '',
    'It looks at the host, from the hardware up to what the daemon says of itself, and changes nothing. What it finds is an **error** (the host is not',
    'governed, or not safe, until it is mended) or a **warning** (something to know, or to do when there is time); what it cannot see it calls **not checked**,',
    'with the reason: mostly that it takes root. The exit status is 1 if there is an error, else 0. With `--json` each finding has its code from this page,',
    'which stays what it is; `--area` looks at one part alone, and `--all` says also what is good.',
    '',
    '    writ doctor',
    '    writ doctor --json | jq \'.findings[] | select(.severity == "error")\'',
    '',
    'A doctor that runs on the host believes the host: what it says is help for an operator, and no evidence. That is `writ report` and `writ verify`.',
    ...areas.flatMap(({ name, title, findings }) => [
      '',
      `## ${name}`,
      '',
      `Looks at ${title}.`,
      '',
      '| code | | finding | why it matters | what to do |',
      '| --- | --- | --- | --- | --- |',
      ...Object.entries(findings).map(
        ([code, { severity, what, why, todo }]) =>
          `| \`${code}\` | ${severity} | ${escaped(what)} | ${escaped(why)} | ${escaped(todo)} |`,
      ),
    ]),
  ].join('\n')}\n`
}
