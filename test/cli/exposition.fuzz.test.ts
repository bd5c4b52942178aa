import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ExpositionError, parseExposition } from '../../cli/metrics/exposition.ts'
import { Instruments } from '../../daemon/metrics/instruments.ts'

const page = () => {
  const instruments = new Instruments('1.0')
  instruments.append.observe(0.002)
  instruments.tpmCommand.observe(0.3, 'Quote')
  instruments.lease.set(1.5e-7)
  return instruments.page()
}

it('reads all that the daemon writes', () => {
  const families = parseExposition(page())
  expect(families.map(({ name }) => name)).toEqual(new Instruments('1').families.map(({ name }) => name))
  expect(families.find(({ name }) => name === 'writ_lease_remaining_seconds')?.samples).toEqual([
    { name: 'writ_lease_remaining_seconds', labels: {}, value: '1.5e-7' },
  ])
  const quote = families.find(({ name }) => name === 'writ_tpm_command_seconds')?.samples ?? []
  expect(quote.at(-1)).toEqual({
    ...{ name: 'writ_tpm_command_seconds_count', labels: { command: 'Quote' }, value: '1' },
  })
})

it.each([
  'm 1',
  '# TYPE m gauge\nother 1',
  '# TYPE m gauge\nm',
  '# TYPE m gauge\nm{a=1} 1',
  '# TYPE m gauge\nm{a="1} 1',
  '# TYPE m gauge\nm one',
  '# TYPE m gauge\n# TYPE m gauge',
  `# TYPE m gauge\nm{a="${'x'.repeat(1024)}"} 1`,
  '\n'.repeat(20_001),
])('refuses %j', text => {
  expect(() => parseExposition(text)).toThrow(ExpositionError)
})

it('reads or refuses whatever comes', () => {
  const good = page()
  const changed = fc.tuple(fc.nat(good.length), fc.string({ maxLength: 20 })).map(([at, more]) => {
    return good.slice(0, at) + more + good.slice(at + more.length)
  })
  fc.assert(
    fc.property(fc.oneof(fc.string(), changed), text => {
      try {
        for (const { samples } of parseExposition(text))
          for (const { labels } of samples) expect(Object.getPrototypeOf(labels)).toBe(Object.prototype)
      } catch (error) {
        expect(error).toBeInstanceOf(ExpositionError)
      }
    }),
  )
})
