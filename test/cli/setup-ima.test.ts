import { hash } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { liveProbes } from '../../cli/probe/index.ts'
import type { GivenAnswers } from '../../cli/setup/answers.ts'
import { askQuestions } from '../../cli/setup/questions.ts'
import { ima } from '../../cli/setup/steps/ima.ts'
import { imaEntry } from '../attestation/ima-log.ts'
import { Answering, contextIn } from './setup-context.ts'

describe('a host that was booted', () => {
  let root: string
  const at = (path: string) => join(root, path)
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'writ-booted-'))
    cpSync('test/fixtures/hosts/debian13-uki/ima.bin', at('ima.bin'))
    for (const path of ['proc', 'sys/firmware/efi/efivars', 'boot/grub', 'grub.d'])
      mkdirSync(at(path), { recursive: true })
  })
  afterEach(() => rmSync(root, { recursive: true }))

  /** What the step says of a host with that command line. */
  function lookAfter(commandLine: string, given: GivenAnswers['ima'] = {}) {
    writeFileSync(at('proc/cmdline'), `${commandLine}\n`)
    const { files } = liveProbes({ tpm: 'device:/none', socket: '/none', root })
    const places = { ima_log: '/ima.bin', ima_policy: at('policy'), grub: at('grub.d') }
    const context = contextIn(at('etc'), { places, ima: given })
    return ima.look({ ...context, probes: { ...context.probes, files } })
  }

  /** As a boot does that loads this. */
  function loaded(policy: string): void {
    writeFileSync(at('policy'), policy)
    const digest = hash('sha256', policy)
    appendFileSync(at('ima.bin'), imaEntry({ path: '/etc/ima/ima-policy', digest }))
  }

  const SHIPPED = readFileSync('packaging/ima/ima-policy', 'utf8')
  const BOOTED = 'root=/dev/sda ima_policy=tcb ima_hash=sha256'

  test('with the shipped policy is as it should be', async () => {
    loaded(SHIPPED)
    expect(await lookAfter(BOOTED)).toMatchObject({ state: 'done', warnings: [] })
  })

  test.each([
    [
      'measures nothing that is executed',
      'dont_measure fsmagic=0x9fa0\nmeasure func=KEXEC_CMDLINE\n',
      'are executed',
    ],
    ['has a rule before that hides it', `dont_measure fsmagic=0xef53\n${SHIPPED}`, 'line 1 leaves some out'],
    ['leaves out what is in memory', `dont_measure fsmagic=0x1021994\n${SHIPPED}`, 'in memory'],
    ['cannot be judged', `${SHIPPED}measure func=MIND_CHECK\n`, 'cannot be judged: line'],
  ])('with a policy that %s is refused unless the answers accept it, and says so', async (_, policy, why) => {
    loaded(policy)
    const refused = {
      code: 'HOST_UNFIT',
      message: expect.stringContaining(why),
      next: expect.stringContaining('ima.less'),
    }
    await expect(lookAfter(BOOTED)).rejects.toMatchObject(refused)
    // Before a boot has loaded it, too.
    writeFileSync(at('policy'), `# Another one.\n${policy}`)
    await expect(lookAfter(BOOTED)).rejects.toMatchObject({ code: 'HOST_UNFIT' })
    loaded(policy)
    expect(await lookAfter(BOOTED, { less: 'accept' })).toMatchObject({
      state: 'done',
      warnings: [expect.stringContaining(why)],
      found: [expect.stringContaining("this host's own, loaded in this boot")],
    })
  })

  test('with executions of other numbers than the policy goes by is refused the shipped one', async () => {
    loaded(SHIPPED)
    mkdirSync(at('etc'))
    const shipped = readFileSync('packaging/launchd.conf', 'utf8')
    writeFileSync(at('etc/launchd.conf'), shipped.replace(/^uids = .*$/m, 'uids = 70000-70299'))
    await expect(lookAfter(BOOTED)).rejects.toThrow(/executions read/)
    writeFileSync(at('etc/launchd.conf'), shipped)
    expect(await lookAfter(BOOTED)).toMatchObject({ state: 'done' })
  })

  test('with the policy, and without the options, waits for them; going on without is an answer, and a note', async () => {
    loaded(SHIPPED)
    const without = 'root=/dev/sda ima_policy=critical_data'
    expect(await lookAfter(without)).toMatchObject({
      state: 'waiting',
      for: 'BOOT_OPTIONS',
      next: expect.stringMatching(/ima_policy=tcb.*ima.boot = "without"/),
    })
    mkdirSync(at('grub.d'), { recursive: true })
    expect(await lookAfter(without, { boot: 'grub' })).toMatchObject({ state: 'to do' })
    expect(await lookAfter(without, { boot: 'without' })).toMatchObject({
      state: 'done',
      warnings: [expect.stringContaining('booted without ima_policy=tcb')],
    })
    expect(await lookAfter(BOOTED, { boot: 'without' })).toMatchObject({ state: 'done', warnings: [] })
  })

  test.each([
    ['BOOT_IMAGE=/vmlinuz root=/dev/sda', null, 'GRUB_CMDLINE_LINUX in /etc/default/grub'],
    ['root=/dev/sda', 'StubInfo', 'unified kernel image anew'],
    ['root=/dev/sda', 'LoaderInfo', 'kernel-install add'],
    ['root=/dev/sda', null, "kernel's command line (GRUB"],
  ])('with "%s" (%s) is told how it gets IMA', async (line, variable, said) => {
    const name = `${variable}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`
    if (variable !== null) writeFileSync(at(`sys/firmware/efi/efivars/${name}`), 'x')
    cpSync('packaging/ima/ima-policy', at('policy'))
    expect(await lookAfter(line)).toMatchObject({
      state: 'waiting',
      for: 'BOOT_OPTIONS',
      next: expect.stringContaining(said),
    })
  })

  test('with the policy beside others needs no other command line', async () => {
    const found = await lookAfter('root=/dev/sda ima_policy=tcb|fail_securely ima_hash=sha256')
    if (found.state !== 'to do') throw new Error(found.state)
    expect((await found.carryOut()).waiting?.for).toBe('REBOOT')
  })

  test('is asked about a policy that measures less, and about GRUB also where a policy is there', async () => {
    const asked = async (commandLine: string, yes: boolean) => {
      writeFileSync(at('proc/cmdline'), `${commandLine}\n`)
      const person = new Answering(yes)
      const { probes } = contextIn(at('etc'))
      const { files } = liveProbes({ tpm: 'device:/none', socket: '/none', root })
      const places = { etc: at('etc'), ima_log: '/ima.bin', ima_policy: at('policy'), grub: at('grub.d') }
      const given = { places, keys: { operator: '/k', release: '/r' }, tpm: { simulated: 'allow' } } as const
      const answers = await askQuestions(person, given, { ...probes, files })
      return [answers.ima.boot, answers.ima.less, person.questions.length]
    }
    loaded(SHIPPED)
    expect(await asked(`BOOT_IMAGE=/vmlinuz ${BOOTED}`, true)).toEqual(['say', 'refuse', 0])
    expect(await asked('BOOT_IMAGE=/vmlinuz root=/dev/sda', true)).toEqual(['grub', 'refuse', 1])
    loaded('measure func=KEXEC_CMDLINE\n')
    expect(await asked(`BOOT_IMAGE=/vmlinuz ${BOOTED}`, true)).toEqual(['say', 'accept', 1])
    expect(await asked(`BOOT_IMAGE=/vmlinuz ${BOOTED}`, false)).toEqual(['say', 'refuse', 1])
  })

  test('by a GRUB that was not told, because somebody ended the run before it, is told again', async () => {
    cpSync('packaging/ima/ima-policy', at('policy'))
    writeFileSync(at('grub.d/50-writ.cfg'), '')
    const look = (more: string) => {
      writeFileSync(at('boot/grub/grub.cfg'), `linux /vmlinuz root=/dev/sda ${more}\n`)
      return lookAfter('BOOT_IMAGE=/vmlinuz root=/dev/sda', { boot: 'grub' })
    }
    expect(await look('quiet')).toMatchObject({ state: 'to do' })
    expect(await look('ima_policy=tcb')).toMatchObject({ state: 'waiting', for: 'REBOOT' })
    // It was rebooted since, by something that did not say it.
    utimesSync(at('grub.d/50-writ.cfg'), 1, 1)
    expect(await look('ima_policy=tcb')).toMatchObject({ state: 'waiting', for: 'BOOT_OPTIONS' })
  })
})
