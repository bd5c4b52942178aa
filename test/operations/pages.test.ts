import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { CHECKOUT } from '../support/programs.ts'
import { GovernedHost, NEEDS_ROOT } from '../system/governed-host.ts'
import { Operator } from './operator.ts'
import { stepsOf } from './page.ts'

/** What a host has gone through when a page comes to it. */
const GIVEN: Readonly<Record<string, (host: GovernedHost) => Promise<void> | void>> = {
  attested: host => host.attested(),
  enrolled: host => host.attested(),
  tampered: async host => {
    const tpm = host.tpm.connect()
    try {
      await tpm.pcrExtend(4, [
        { bank: 'sha1', digest: Buffer.alloc(20, 1) },
        { bank: 'sha256', digest: Buffer.alloc(32, 1) },
      ])
    } finally {
      await tpm.close()
    }
    await host.until('FAILED')
  },
  rebooted: async host => {
    await host.stopDaemon()
    await host.boot()
    await host.startDaemon()
    await host.until('FAILED')
  },
  crashed: async host => {
    await host.stopDaemon('SIGKILL')
    await host.startDaemon()
    await host.attested()
  },
  'went on': async host => {
    await host.stopDaemon()
    await host.startDaemon()
    await host.attested()
  },
  damaged: async host => {
    await host.stopDaemon()
    const tail = host.path('state/lineage/state/tail')
    const file = join(tail, readdirSync(tail).toSorted()[0] ?? '')
    const bytes = readFileSync(file)
    bytes[80] = (bytes[80] ?? 0) ^ 0xff
    writeFileSync(file, bytes)
  },
  'another TPM': async host => {
    await host.replaceTpm()
  },
}

const DIRECTORY = join(CHECKOUT, 'docs/operations')
const PAGES = readdirSync(DIRECTORY).filter(name => name.endsWith('.md') && stepsOf(name).length > 0)

describe.skipIf(NEEDS_ROOT !== null)('a page of the operations, as written,', () => {
  let host: GovernedHost | undefined
  let operator: Operator | undefined
  afterEach(async () => {
    operator?.close()
    await host?.close()
    host = undefined
  })

  test.each(PAGES)('%s', { timeout: 180_000 }, async page => {
    const steps = stepsOf(page)
    const enrolled = steps.some(step => 'given' in step && step.given === 'enrolled')
    // Where the package keeps them.
    const credentials = steps.some(
      step => 'command' in step && step.command.includes('/etc/writ/credentials'),
    )
    host = await GovernedHost.start({ enrolled, credentials })
    await host.issue('job', ['/bin/true'])
    copyFileSync(host.tpm.paths.intermediateCertificate, host.path('vendor-root.pem'))
    operator = new Operator(host)
    for (const step of steps) {
      if (!('given' in step)) {
        await operator.follow(step)
        continue
      }
      const happens = GIVEN[step.given]
      if (happens === undefined) throw new Error(`${page}: nobody knows what "${step.given}" is`)
      await happens(host)
    }
  })

  test('every page that stops the daemon stops its socket first, or a caller would start it again', () => {
    const stops = PAGES.flatMap(page => stepsOf(page)).flatMap(step =>
      'command' in step && /^systemctl stop\b/.test(step.command) ? [step.command] : [],
    )
    expect(stops.length).toBeGreaterThan(3)
    for (const stop of stops) expect(stop).toBe('systemctl stop writd.socket writd')
  })

  test('what a page puts aside, copies or exports has a name of its own each time, and is put into nothing that is there', () => {
    const commands = PAGES.flatMap(page => stepsOf(page)).flatMap(step =>
      'command' in step ? [step.command] : [],
    )
    const moved = commands.filter(command => /(?:^|&& )(?:mv|cp) /.test(command))
    expect(moved.length).toBeGreaterThan(3)
    for (const command of moved) {
      expect(command).toMatch(/^(?:mv -T|cp -aT) \S+ "[^"]*\$/)
      // The second only if the first has made room.
      if (command.includes('/var/lib/writ') && command.includes('cp ') && command.startsWith('mv'))
        expect(command).toContain(' && cp -aT ')
    }
    const exported = commands.filter(command => /lineage export (?!--onto)/.test(command))
    expect(exported.length).toBeGreaterThan(2)
    for (const command of exported)
      expect(command).toMatch(/export "\$|^test -e (\S+) \|\| writ lineage export \1$/)
  })

  test('every page is in the list of pages', () => {
    const list = readFileSync(join(DIRECTORY, 'README.md'), 'utf8')
    for (const name of readdirSync(DIRECTORY)) if (name !== 'README.md') expect(list).toContain(`](${name})`)
  })
})
