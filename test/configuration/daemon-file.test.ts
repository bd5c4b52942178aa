import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, describe, expect, it } from 'vitest'
import { configDigest, examineConfig, parseConfig } from '../../configuration/daemon-file.ts'
import { ConfigError, type ConfigErrorCode } from '../../configuration/problem.ts'
import { readConfig } from '../../configuration/read-file.ts'
import { KEY_NAMES, KNOWN_KEYS, RELOADED_KEYS } from '../../configuration/schema.ts'

const SHIPPED = join(import.meta.dirname, '../../packaging/writd.toml')
const MINIMAL = '[trust]\ngovernance_keys = ["/etc/writ/governance.pem"]\n'

function errorOf(text: string | Buffer): ConfigError {
  try {
    parseConfig(Buffer.from(text))
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  return expect.fail('accepted')
}

describe('the shipped file', () => {
  const text = readFileSync(SHIPPED, 'utf8')

  it('has every default as its value', () => {
    expect(parseConfig(Buffer.from(text))).toEqual(parseConfig(Buffer.from(MINIMAL)))
  })

  it('names every key, and no other', () => {
    const uncommented = text.replaceAll(/^#(?=[a-z_]+ = )/gm, '')
    const keys = Object.entries(parse(uncommented)).map(([name, section]) => [
      name,
      Object.keys(section as object),
    ])
    expect(Object.fromEntries(keys)).toEqual(KNOWN_KEYS)
  })

  it('explains every key in a comment right above it', () => {
    const lines = text.split('\n')
    const bare = lines.filter((line, i) => /^#?[a-z_]+ = /.test(line) && !lines[i - 1]?.startsWith('# '))
    expect(bare).toEqual([])
  })

  it('says of every key whether a reload takes it over, as the schema does', () => {
    let section = ''
    let comment: string[] = []
    const marks = new Map<string, string[]>()
    for (const line of text.split('\n')) {
      const header = /^\[(\w+)\]/.exec(line)?.[1]
      const key = /^#?([a-z_]+) = /.exec(line)?.[1]
      if (header !== undefined) section = header
      else if (key !== undefined && !line.startsWith('# '))
        marks.set(`${section}.${key}`, comment.join('\n').match(/\[(?:reload|restart)\]/g) ?? [])
      comment = line.startsWith('# ') ? [...comment, line] : []
    }
    const wanted = KEY_NAMES.map(name => [
      name,
      RELOADED_KEYS.some(key => key === name) ? ['[reload]'] : ['[restart]'],
    ])
    expect([...marks]).toEqual(wanted)
  })
})

describe('what is refused', () => {
  const cases: [string, string, ConfigErrorCode, string | undefined, number | undefined][] = [
    ['no governance key said', '', 'CONFIG_MISSING_KEY', 'trust.governance_keys', undefined],
    ['no governance key', '[trust]\ngovernance_keys = []', 'CONFIG_BAD_VALUE', 'trust.governance_keys', 2],
    [
      'a governance key twice',
      '[trust]\ngovernance_keys = ["/a", "/a"]',
      'CONFIG_BAD_VALUE',
      'trust.governance_keys',
      2,
    ],
    ['a relative path', `${MINIMAL}[daemon]\nsocket = "x"`, 'CONFIG_BAD_VALUE', 'daemon.socket', 4],
    [
      'a path with a NUL',
      `${MINIMAL}[daemon]\nsocket = "/a\\u0000b"`,
      'CONFIG_BAD_VALUE',
      'daemon.socket',
      4,
    ],
    ['a number for a path', `${MINIMAL}[daemon]\nsocket = 3`, 'CONFIG_BAD_VALUE', 'daemon.socket', 4],
    ['a date for a path', `${MINIMAL}[daemon]\nsocket = 2026-01-01`, 'CONFIG_BAD_VALUE', 'daemon.socket', 4],
    ['another word', `${MINIMAL}[daemon]\nlog_level = "loud"`, 'CONFIG_BAD_VALUE', 'daemon.log_level', 4],
    [
      'a text for a boolean',
      `${MINIMAL}[minting]\nenabled = "yes"`,
      'CONFIG_BAD_VALUE',
      'minting.enabled',
      4,
    ],
    ['an unknown key', `${MINIMAL}[daemon]\nsockets = "/x"`, 'CONFIG_UNKNOWN_KEY', 'daemon.sockets', 4],
    ['an unknown section', `${MINIMAL}[daemons]\n`, 'CONFIG_UNKNOWN_KEY', 'daemons', 3],
    ['a key outside of a section', 'socket = "/x"\n', 'CONFIG_UNKNOWN_KEY', 'socket', 1],
    ['a value for a section', 'daemon = 3\n', 'CONFIG_BAD_VALUE', 'daemon', 1],
    ['a list for a section', `[[daemon]]\nsocket = "/x"\n`, 'CONFIG_BAD_VALUE', 'daemon', undefined],
    ['a key of the prototype', '[__proto__]\na = 1\n', 'CONFIG_UNKNOWN_KEY', '__proto__', 1],
    ['a section of the prototype', '[constructor]\n', 'CONFIG_UNKNOWN_KEY', 'constructor', 1],
    ['a key twice', '[daemon]\nsocket = "/a"\nsocket = "/b"\n', 'CONFIG_SYNTAX', undefined, 3],
    ['what is not TOML', '[daemon\n', 'CONFIG_SYNTAX', undefined, 1],
    ['an integer beyond 2^53', '[quota]\ncalls = 9007199254740993\n', 'CONFIG_SYNTAX', undefined, 2],
    [
      'evidence that is stale before the next cycle',
      `${MINIMAL}[attestation]\ncycle_seconds = 30\n`,
      'CONFIG_BAD_VALUE',
      'attestation.max_evidence_age_seconds',
      undefined,
    ],
    [
      'swtpm without its socket',
      `${MINIMAL}[tpm]\ntransport = "swtpm"\n`,
      'CONFIG_BAD_VALUE',
      'tpm.path',
      undefined,
    ],
    [
      'a root of two kinds',
      `${MINIMAL}[tpm]\nhardware_roots = ["/a"]\nother_roots = ["/a"]\n`,
      'CONFIG_BAD_VALUE',
      'tpm.other_roots',
      5,
    ],
    [
      'fewer uids than executions',
      `${MINIMAL}[execution]\nuid_range = [2000, 2198]\n`,
      'CONFIG_BAD_VALUE',
      'execution.uid_range',
      4,
    ],
    [
      'a range backwards',
      `${MINIMAL}[execution]\nuid_range = [3000, 2000]\n`,
      'CONFIG_BAD_VALUE',
      'execution.uid_range',
      4,
    ],
    [
      'system uids in the range',
      `${MINIMAL}[execution]\nuid_range = [0, 2000]\n`,
      'CONFIG_BAD_VALUE',
      'execution.uid_range',
      4,
    ],
    [
      'a governor among the workloads',
      `${MINIMAL}[access]\ngovernors = [60600]\n`,
      'CONFIG_BAD_VALUE',
      'access.governors',
      4,
    ],
    [
      'an auditor among the workloads',
      `${MINIMAL}[access]\nauditors = [61183]\n`,
      'CONFIG_BAD_VALUE',
      'access.auditors',
      4,
    ],
    [
      'nobody as a governor',
      `${MINIMAL}[access]\ngovernors = [4294967295]\n`,
      'CONFIG_BAD_VALUE',
      'access.governors',
      4,
    ],
  ]
  it.each(cases)('%s', (_name, text, code, key, line) => {
    const error = errorOf(text)
    expect({ code: error.code, key: error.key, line: error.line }).toEqual({ code, key, line })
  })

  it('names the nearest known key', () => {
    expect(errorOf(`${MINIMAL}[lineage]\ncounter_minute = 3`).message).toContain(
      'did you mean lineage.counter_minutes?',
    )
    expect(errorOf(`${MINIMAL}[attestations]\n`).message).toContain('did you mean attestation?')
    expect(errorOf(`${MINIMAL}[lineage]\nzzz = 3`).message).not.toContain('did you mean')
  })

  it('bytes that are not UTF-8', () => {
    expect(errorOf(Buffer.from([0x23, 0xff, 0x0a])).code).toBe('CONFIG_SYNTAX')
  })
})

describe('everything that is wrong is said at once', () => {
  it('each with its line, those of other sections and of other keys too', () => {
    const text = [
      '[daemon]',
      'sockets = "/x"',
      'log_level = "loud"',
      '[trust]',
      'governance_keys = ["a", "/b", 3]',
      '[attestation]',
      'cycle_seconds = 50',
      '[acess]',
      '[access]',
      'auditors = [60600]',
    ].join('\n')
    const { config, problems } = examineConfig(Buffer.from(text))
    expect(config).toBeNull()
    expect(problems.map(({ line, key, message }) => `${line} ${key} ${message}`)).toEqual([
      '2 daemon.sockets is not a known key; did you mean daemon.socket?',
      '8 acess is not a known key; did you mean access?',
      '3 daemon.log_level has to be one of ("debug" | "info" | "warn" | "error")',
      '5 trust.governance_keys item 1 has to be an absolute path',
      '5 trust.governance_keys item 3 has to be string, not 3',
      'undefined attestation.max_evidence_age_seconds has to be longer than attestation.cycle_seconds, or the gate closes between two cycles',
      '10 access.auditors names a uid of execution.uid_range: a workload would be an auditor',
    ])
  })

  it('no rule is applied to a value that is wrong already', () => {
    const { problems } = examineConfig(
      Buffer.from(`${MINIMAL}[execution]\nuid_range = [0, 1]\n[access]\nauditors = [0]\n`),
    )
    expect(problems.map(problem => problem.key)).toEqual(['execution.uid_range', 'execution.uid_range'])
  })

  it('as many as are worth reading, in a time that does not run away', () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `k${i} = 1`)
    const begun = performance.now()
    const { problems } = examineConfig(Buffer.from(`[quota]\n${lines.join('\n')}\n`))
    expect(problems).toHaveLength(100)
    expect(performance.now() - begun).toBeLessThan(3000)
  })

  it('the daemon’s own error names the first and counts the others', () => {
    const directory = mkdtempSync(join(tmpdir(), 'writ-config-'))
    const path = join(directory, 'writd.toml')
    writeFileSync(path, '[daemon]\nsockets = "/x"\n', { mode: 0o600 })
    expect(() => readConfig(path)).toThrow(
      `${path}, line 2: daemon.sockets is not a known key; did you mean daemon.socket? (1 more: writ config check ${path})`,
    )
    rmSync(directory, { recursive: true })
  })
})

describe('a digest', () => {
  it('is of what a file means, not of how it says it', () => {
    const plain = configDigest(parseConfig(Buffer.from(MINIMAL)))
    const same = `# more\n${MINIMAL}[daemon]\nlog_level = 'info'\n`
    expect(configDigest(parseConfig(Buffer.from(same)))).toBe(plain)
    expect(configDigest(parseConfig(Buffer.from(`${MINIMAL}[minting]\nenabled = true\n`)))).not.toBe(plain)
  })
})

describe('numbers', () => {
  const ranges: [string, string, number, number][] = [
    ['daemon', 'shutdown_grace_seconds', 0, 300],
    ['attestation', 'max_evidence_age_seconds', 11, 7200],
    ['execution', 'max_output_bytes', 0, Number.MAX_SAFE_INTEGER],
    ['execution', 'output_tail_bytes', 0, 16777216],
    ['execution', 'output_tail_total_bytes', 0, 1073741824],
    ['execution', 'output_file_bytes', 0, 17179869184],
    ['execution', 'output_file_total_bytes', 0, 1099511627776],
    ['execution', 'output_file_days', 1, 3650],
    ['rpc', 'max_message_bytes', 65536, 67108864],
    ['rpc', 'max_calls_per_connection', 1, 10_000],
    ['rpc', 'max_connections', 1, 100_000],
    ['rpc', 'idle_seconds', 1, 86_400],
    ['rpc', 'keepalive_seconds', 1, 86_400],
    ['rpc', 'answer_seconds', 1, 3600],
    ['quota', 'requests_per_second', 1, 1_000_000],
    ['quota', 'request_burst', 1, 10_000_000],
    ['quota', 'bytes_per_second', 1024, 107374182400],
    ['quota', 'byte_burst', 1024, 107374182400],
    ['quota', 'connections', 1, 10_000],
    ['quota', 'calls', 1, 10_000],
    ['lineage', 'checkpoint_seconds', 1, 3600],
    ['lineage', 'checkpoint_entries', 1, 1_000_000],
    ['lineage', 'counter_minutes', 1, 15],
    ['lineage', 'evidence_max_bytes', 64 * 2 ** 20, 2 ** 50],
    ['lineage', 'evidence_min_days', 0, 36_500],
  ]
  it.each(ranges)('%s.%s is from %d to %d, whole', (section, key, least, most) => {
    const text = (value: string) => `${MINIMAL}[${section}]\n${key} = ${value}\n`
    for (const value of [least, most]) expect(() => parseConfig(Buffer.from(text(`${value}`)))).not.toThrow()
    const beyond = most === Number.MAX_SAFE_INTEGER ? [least - 1] : [least - 1, most + 1]
    for (const value of [...beyond.map(String), `${least}.5`, 'nan', 'inf', `"${least}"`]) {
      expect(errorOf(text(value)), value).toMatchObject({
        code: 'CONFIG_BAD_VALUE',
        key: `${section}.${key}`,
      })
    }
  })

  it('executions are at most 4096 (the launcher’s limit), each with a uid', () => {
    const text = (value: number) =>
      `${MINIMAL}[execution]\nuid_range = [10000, 20000]\nmax_executions = ${value}\n`
    expect(parseConfig(Buffer.from(text(4096))).execution.maxExecutions).toBe(4096)
    expect(errorOf(text(4097)).key).toBe('execution.max_executions')
    expect(errorOf(text(0)).key).toBe('execution.max_executions')
  })

  it('a cycle is from 1 to 3600 seconds', () => {
    const text = (value: number) =>
      `${MINIMAL}[attestation]\ncycle_seconds = ${value}\nmax_evidence_age_seconds = 7200\n`
    expect(parseConfig(Buffer.from(text(3600))).attestation.cycleSeconds).toBe(3600)
    expect(errorOf(text(3601)).key).toBe('attestation.cycle_seconds')
    expect(errorOf(text(0)).key).toBe('attestation.cycle_seconds')
  })
})

describe('the file on disk', () => {
  const directory = mkdtempSync(join(tmpdir(), 'writ-config-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const write = (name: string, mode: number) => {
    const path = join(directory, name)
    writeFileSync(path, MINIMAL)
    chmodSync(path, mode)
    return path
  }
  const codeOf = (path: string) => {
    try {
      readConfig(path)
    } catch (error) {
      return (error as ConfigError).code
    }
    return 'accepted'
  }

  it('is read if only its owner can write it', () => {
    expect(readConfig(write('good', 0o644)).trust.governanceKeys).toEqual(['/etc/writ/governance.pem'])
  })

  it('is named in what is wrong with it', () => {
    const message = (text: string) => {
      const path = write('faulty', 0o644)
      writeFileSync(path, text)
      expect(codeOf(path)).not.toBe('accepted')
      try {
        readConfig(path)
      } catch (error) {
        return (error as ConfigError).message.replace(path, 'FILE')
      }
      return undefined
    }
    expect(message('')).toBe('FILE: trust.governance_keys has to be set')
    expect(message(`${MINIMAL}[daemon]\nsocket = "x"\n`)).toBe(
      'FILE, line 4: daemon.socket has to be an absolute path',
    )
  })

  it('is refused if its group or others can write it', () => {
    expect(codeOf(write('group', 0o664))).toBe('CONFIG_UNSAFE')
    expect(codeOf(write('others', 0o646))).toBe('CONFIG_UNSAFE')
    // A link is judged by what it leads to.
    symlinkSync(join(directory, 'others'), join(directory, 'link'))
    expect(codeOf(join(directory, 'link'))).toBe('CONFIG_UNSAFE')
  })

  it.skipIf(process.geteuid?.() !== 0)('is refused if it belongs to another user (needs root)', () => {
    const path = write('foreign', 0o644)
    chownSync(path, 12345, 12345)
    expect(codeOf(path)).toBe('CONFIG_UNSAFE')
  })

  it('is refused if it is not there, not a file, or too large', () => {
    expect(codeOf(join(directory, 'absent'))).toBe('CONFIG_UNREADABLE')
    expect(codeOf(directory)).toBe('CONFIG_UNREADABLE')
    const large = join(directory, 'large')
    writeFileSync(large, `#${'x'.repeat(1 << 20)}`)
    expect(codeOf(large)).toBe('CONFIG_SYNTAX')
  })
})
