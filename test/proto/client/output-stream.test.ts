import { once } from 'node:events'
import { setImmediate as tick } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OutputStream } from '../../../proto/client/output-stream.ts'

const KIB64 = Buffer.alloc(64 * 1024, 'x')
const settled = async (promise: Promise<void>): Promise<boolean> => {
  let done = false
  void promise.then(() => {
    done = true
  })
  await tick()
  return done
}

describe('the output of a governed process', () => {
  it('comes whole and in order, however it is cut and read, and then its end or its failure', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 30 }),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        async (chunks, fails, readFirst, flowing) => {
          const stream = new OutputStream()
          const failure = fails ? new Error('cut') : null
          const got: Buffer[] = []
          const read = async () => {
            if (flowing) {
              stream.on('data', chunk => got.push(chunk))
              await once(stream, 'end')
            } else for await (const chunk of stream) got.push(chunk)
          }
          const write = async () => {
            for (const chunk of chunks) {
              if (readFirst) await tick()
              await stream.accept(Buffer.from(chunk))
            }
            stream.finish(failure)
          }
          const reading = readFirst ? read() : null
          reading?.catch(() => {})
          await write()
          const end = await (reading ?? read()).then(
            () => null,
            error => error,
          )
          expect(end).toBe(failure)
          expect(Buffer.concat(got)).toEqual(Buffer.concat(chunks))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('is held back when a pipe’s worth is unread, and goes on when it was read', async () => {
    const stream = new OutputStream()
    expect(await settled(stream.accept(KIB64))).toBe(true)
    const more = stream.accept(KIB64)
    expect(await settled(more)).toBe(false)
    stream.once('readable', () => stream.read())
    await tick()
    expect(await settled(more)).toBe(true)
  })

  it('is not held back by a reader who is gone, nor after it was told to accept all', async () => {
    for (const leave of ['destroy', 'acceptAll'] as const) {
      const stream = new OutputStream()
      await stream.accept(KIB64)
      const more = stream.accept(KIB64)
      stream[leave]()
      expect(await settled(more)).toBe(true)
      expect(await settled(stream.accept(KIB64))).toBe(true)
    }
  })

  it('that fails with nobody listening harms nobody', async () => {
    const stream = new OutputStream()
    stream.resume()
    stream.finish(new Error('cut'))
    await new Promise(resolve => stream.once('close', resolve))
    expect(stream.errored).toBeInstanceOf(Error)
  })
})
