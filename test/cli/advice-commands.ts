import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

/**
 * Every command that advice names, with the package that has it on Debian 12 and 13. Looked up once by hand: a name that is not here is one that
 * nobody has looked up.
 */
const PACKAGES: Readonly<Record<string, string>> = {
  'aa-enforce': 'apparmor-utils',
  apparmor_parser: 'apparmor',
  apt: 'apt',
  chmod: 'coreutils',
  chown: 'coreutils',
  cp: 'coreutils',
  dmesg: 'util-linux',
  fuser: 'psmisc',
  grep: 'grep',
  journalctl: 'systemd',
  'kernel-install': 'systemd',
  mkdir: 'coreutils',
  modprobe: 'kmod',
  mount: 'mount',
  systemctl: 'systemd',
  'systemd-ask-password': 'systemd',
  'systemd-delta': 'systemd',
  'systemd-sysusers': 'systemd',
  timedatectl: 'systemd',
  touch: 'coreutils',
  tpm2_changeauth: 'tpm2-tools',
  tpm2_dictionarylockout: 'tpm2-tools',
  tpm2_flushcontext: 'tpm2-tools',
  tpm2_pcrallocate: 'tpm2-tools',
  udevadm: 'udev',
  'update-grub': 'grub2-common',
  'update-initramfs': 'initramfs-tools-core',
  usermod: 'passwd',
}

/** What stands in backquotes and is no command: settings, parameters, lines of files. */
const NO_COMMAND =
  /^(?:[\w.]+ ?= ?\S+.*|[\w-]+=\S+( [\w-]+=\S+)*|lsm=|cgroup_disable=|options nvidia .*|apparmor|uids|ima_log|writd_user|user\.max_\*_namespaces|tpm_crb)$/

/** The commands in a text, each with its words. */
function commandsIn(text: string): string[][] {
  return [...text.matchAll(/`([^`]+)`/g)]
    .map(([, code = '']) => code)
    .filter(code => !NO_COMMAND.test(code))
    .flatMap(code => code.split(/ \| | && |; /))
    .map(command => command.trim().split(/\s+/))
}

const manual = readFileSync('docs/cli.md', 'utf8')

/** Requires that each command in a text in backquotes exists, with its options. @returns how many there are */
export function requireCommands(text: string): number {
  const commands = commandsIn(text)
  for (const words of commands) {
    if (words[0] === 'writ') requireOwn(words)
    else expect(PACKAGES, words.join(' ')).toHaveProperty([words[0] ?? ''])
  }
  return commands.length
}

/** The manual, which is made from what the tool takes, has it. */
function requireOwn(words: readonly string[]): void {
  const option = words.findIndex(word => word.startsWith('--'))
  const names = words.slice(1, option < 0 ? undefined : option).filter(word => /^[a-z-]+$/.test(word))
  const heading = [3, 2, 1]
    .map(length => `## writ ${names.slice(0, length).join(' ')}\n`)
    .find(candidate => manual.includes(candidate))
  expect(heading, words.join(' ')).toBeDefined()
  const section = manual.slice(manual.indexOf(heading ?? '')).split('\n## ')[0] ?? ''
  for (const word of words.filter(other => other.startsWith('--')))
    expect(section, words.join(' ')).toMatch(new RegExp(`\`${word}[ \`]`))
}
