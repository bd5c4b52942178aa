import { writeSync } from 'node:fs'
import { Lineage, LineageError } from '../../../lineage/index.ts'
import { readPrivateKey } from '../../../signing/key.ts'
import { numbered, ORIGIN } from './numbered.ts'
import { SoftwareAk } from './software-ak.ts'

/*
 * A writer in a process of its own, to be killed: `writer.ts DIRECTORY [LOG-KEY AK]`, keys as PEM. It says on standard output, one line each, what was
 * acknowledged (`ack INDEX NUMBER`) and what is about to be signed (`sign SIZE ROOT`).
 */

const [directory = '', pem, akPem] = process.argv.slice(2)

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

const software = new SoftwareAk(akPem)
const base = {
  origin: ORIGIN,
  create: true,
}
try {
  const log = await Lineage.open(directory, pem === undefined ? base : { ...base, signer: signer(pem) })
  say(`open ${log.size}`)
  let next = Number(log.size)
  const write = async () => {
    for (;;) {
      const n = next++
      const { index } = await log.append(numbered(n))
      say(`ack ${index} ${n}`)
    }
  }
  const sign = async () => {
    for (;;) {
      await log.checkpoint()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  await Promise.all([...Array.from({ length: 24 }, write), ...(pem === undefined ? [] : [sign()])])
} catch (error) {
  if (!(error instanceof LineageError)) throw error
  say(`refused ${error.code}`)
}

function signer(key: string) {
  return {
    logKey: readPrivateKey(key),
    ak: software.ak,
    async quote(extraData: Buffer) {
      say(`sign ${extraData.toString('hex')}`)
      return software.quote(extraData)
    },
  }
}
