import type { Definition } from '../definition.ts'
import { completedCommands, lookUp, STEP, tables } from './words.ts'

/** A completion script for bash (the manual, "Programmable Completion"); needs no other package. */
export function bashScript(root: Definition): string {
  const commands = completedCommands(root)
  return `${[
    '# bash completion of writ. Made by: writ completion bash',
    ...tables(commands),
    ...lookUp(
      '_writ_commands',
      commands.flatMap(({ name, commands }) =>
        commands.length === 0 ? [] : [[name, commands.map(command => command.name).join(' ')] as const],
      ),
    ),
    ...lookUp(
      '_writ_options',
      commands.map(({ name, options }) => [name, options.map(({ long }) => long).join(' ')] as const),
    ),
    FUNCTION,
  ].join('\n')}\n`
}

const FUNCTION = `# Offers what "$1" says for the word that is typed.
_writ_offer() {
  case $1 in
    words:*) mapfile -t COMPREPLY < <(compgen -W "\${1#words:}" -- "$cur") ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    program)
      if [[ $cur == */* ]]; then mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      else mapfile -t COMPREPLY < <(compgen -A command -- "$cur"); fi ;;
  esac
  case $1 in
    file|directory|program) compopt -o filenames 2>/dev/null ;;
  esac
  return 0
}
_writ() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' pending='' ended='' word REPLY
  local -i i operands=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # bash breaks --option=value in three.
    [[ $word == = && -n $pending ]] && continue
${STEP}
  done
  [[ $cur == = && -n $pending ]] && cur=''
  if [[ -n $pending ]]; then
    _writ_value "$at/$pending"
    _writ_offer "$REPLY"
  elif [[ -z $ended && $cur == -* ]]; then
    _writ_options "$at"
    _writ_offer "words:$REPLY"
  else
    _writ_commands "$at"
    if [[ -n $REPLY ]]; then _writ_offer "words:$REPLY"; return 0; fi
    _writ_operand "$at/$operands"
    [[ -z $REPLY ]] && _writ_operand "$at/+"
    _writ_offer "$REPLY"
  fi
}
complete -F _writ writ`
