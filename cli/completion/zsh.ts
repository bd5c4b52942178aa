import type { Definition } from '../definition.ts'
import { brief, completedCommands, quoted, STEP, tables } from './words.ts'

/** One `name:description` of _describe (zshcompsys(1)). */
function described(name: string, about: string): string {
  return quoted(`${name.replaceAll(':', '\\:')}:${about}`)
}

/** A completion script for zsh; as a file \`_writ\` in $fpath, or sourced. */
export function zshScript(root: Definition): string {
  const commands = completedCommands(root)
  const lists = (prefix: string, of: (c: (typeof commands)[number]) => readonly string[]) => [
    `${prefix}() {`,
    '  reply=()',
    '  case $1 in',
    ...commands.flatMap(command => {
      const items = of(command)
      return items.length === 0 ? [] : [`    ${quoted(command.name)}) reply=(${items.join(' ')}) ;;`]
    }),
    '  esac',
    '}',
  ]
  return `${[
    '#compdef writ',
    '# zsh completion of writ. Made by: writ completion zsh',
    ...tables(commands),
    ...lists('_writ_commands', ({ commands }) => commands.map(({ name, about }) => described(name, about))),
    ...lists('_writ_options', ({ options }) =>
      options.map(({ long, description }) => described(long, brief(description))),
    ),
    FUNCTION,
  ].join('\n')}\n`
}

const FUNCTION = `_writ_offer() {
  case $1 in
    words:*) compadd -- \${=1#words:} ;;
    file) _files ;;
    directory) _files -/ ;;
    program) _alternative 'commands:program:_command_names -e' 'files:file:_files' ;;
  esac
}
_writ() {
  local at='' pending='' ended='' word REPLY
  local -a reply
  local -i i operands=0
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
${STEP}
  done
  word=\${words[CURRENT]}
  if [[ -z $pending && -z $ended && $word == --*=* ]]; then
    pending=\${word%%=*}
    compset -P '*='
  fi
  if [[ -n $pending ]]; then
    _writ_value "$at/$pending"
    _writ_offer "$REPLY"
  elif [[ -z $ended && $word == -* ]]; then
    _writ_options "$at"
    _describe -o option reply
  else
    _writ_commands "$at"
    if ((\${#reply})); then _describe command reply; return; fi
    _writ_operand "$at/$operands"
    [[ -z $REPLY ]] && _writ_operand "$at/+"
    _writ_offer "$REPLY"
  fi
}
if [[ \${funcstack[1]} == _writ ]]; then _writ "$@"; else compdef _writ writ; fi`
