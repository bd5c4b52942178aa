import type { Answers } from './answers.ts'
import { type TomlValue, tomlLine } from './toml-value.ts'

/** What each key is for, in the order of the file. */
export const ANSWER_WORDS: {
  readonly [S in keyof Answers]: { readonly [K in keyof Required<Answers[S]>]: string }
} = {
  places: {
    etc: 'Configuration, keys and signed documents. The units take the configuration from /etc/writ.',
    state_directory: "The daemon's state: lineage and identity.",
    credentials:
      'Where the host\'s secrets are kept as root\'s; "none": in the state directory. Off: /etc/writ/credentials where the package has made it.',
    socket: "The daemon's socket.",
    event_log: "The firmware's event log.",
    userspace_log: 'systemd\'s log of what it measures; "none" where there is none.',
    ima_log: 'IMA\'s binary log; "none" where the host is to be governed without IMA.',
    ima_policy: 'Where systemd loads the IMA policy from.',
    grub: 'Where Debian keeps additions to the configuration of GRUB.',
  },
  tpm: {
    where:
      'device:PATH for a TPM of this host, swtpm:PATH for the socket of a simulated one, which proves nothing.',
    hardware_roots:
      "Certificates (DER or PEM) of the TPM's maker. Without one the TPM is of unknown kind, and artifacts have to say --simulated allow.",
    simulated:
      '"allow": go on with a TPM that is simulated or of unknown kind, and have the hello say --simulated allow. Never for a host that is meant to prove anything.',
    owner_auth_env: "Environment variable with the owner hierarchy's authValue, if it has one.",
    endorsement_auth_env: 'The same for the endorsement hierarchy.',
  },
  daemon: { user: 'The user that the daemon runs as: a name, UID or UID:GID. The package makes `writ`.' },
  keys: {
    operator:
      'Whose signature puts policy, trust roots and reference values in force. "new": made on this host, for a first look. Or a file: the public key, whose private one is elsewhere; or a private key, which then signs here and is not copied.',
    release:
      'Who signs artifacts. "new": made on this host, unless trust roots come signed, which cannot name it. A public key of somebody else. "none": documents.trust says it.',
    passphrase_file:
      'A file whose first line encrypts the private keys that are made, and opens those that are given.',
    passphrase_env: 'The same by an environment variable.',
    sign_command:
      'What signs for an operator key that is public: it gets the bytes on standard input and writes the signature to standard output; no shell.',
  },
  documents: {
    trust:
      'Signed trust roots that were made elsewhere. Off: the release key alone signs for the authority "release".',
    policy: 'A signed policy bundle. Off: one that permits what an artifact allows.',
    policies:
      'Where no bundle is named, and somebody has put policies into the directory `policies` of places.etc: "take" them as they are, or "refuse" to go on.',
    reference: 'Signed reference values, of this host or of one like it. Off: they are captured here.',
  },
  reference: {
    files: 'Directories whose files are accepted as they are now.',
    packages: 'Whether the files of all installed Debian packages are, and the kernel modules.',
    components:
      'Code that IMA must have measured, NAME=PATH each. Empty: the packaged daemon\'s parts. ["any"]: a changed daemon passes.',
  },
  ima: {
    policy:
      '"install": put the shipped policy where there is none, and capture only after a boot that loaded it. "leave": go on with what IMA measures now.',
    less: 'Where the policy that is there measures less than the shipped one, or cannot be judged: "refuse" to go on, or "accept" it, with a note.',
    boot: 'Where the kernel\'s command line lacks ima_policy=tcb ima_hash=sha256: "say" how to add it, and wait; add it to "grub", by a file of its own and update-grub; or go on "without" ima_policy=tcb, with a note: what ran before the policy was loaded is not known then.',
  },
  service: {
    start: 'Whether the units are enabled and started.',
    attested_seconds: 'How long the host may take until it is attested. 1 to 3600.',
  },
  hello: { run: 'Whether a governed program ends the setup, and the refusal of its second use.' },
}

/** Most columns of a comment. */
const COLUMNS = 120

/**
 * Answers as a file that {@link parseAnswers} reads, with every key explained. What has no value and no default is commented out.
 */
export function answersText(answers: Answers): string {
  const lines = [
    '# Answers of `writ setup`: writ setup --answers FILE asks nothing. Every key is here; `#key` is off unless it is set. What is not known is an error.',
  ]
  for (const [section, words] of Object.entries(ANSWER_WORDS)) {
    lines.push('', `[${section}]`)
    const values = answers[section as keyof Answers] as Readonly<Record<string, TomlValue | undefined>>
    for (const [key, word] of Object.entries(words)) {
      lines.push(...wrapped(word))
      const value = values[key]
      lines.push(value === undefined ? `#${key} = ""` : tomlLine(key, value))
    }
  }
  return `${lines.join('\n')}\n`
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > COLUMNS) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}
