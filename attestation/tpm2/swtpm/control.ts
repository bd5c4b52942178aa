import { createConnection } from 'node:net'
import { u8, u32 } from '../structures/integers.ts'
import { SimulatorError } from './error.ts'

/** Commands of swtpm's control channel (swtpm, include/swtpm/tpm_ioctl.h). */
const CMD = { INIT: 0x02, SHUTDOWN: 0x03, SET_LOCALITY: 0x05 } as const

/** Takes the TPM's power away and gives it back: TPM2_Startup has to follow. */
export function initialise(path: string): Promise<void> {
  return command(path, Buffer.concat([u32(CMD.INIT), u32(0)]))
}

/** Sets the locality of the commands that follow, on any connection. */
export function setLocality(path: string, locality: number): Promise<void> {
  return command(path, Buffer.concat([u32(CMD.SET_LOCALITY), u8(locality)]))
}

/** Ends swtpm. */
export function shutDown(path: string): Promise<void> {
  return command(path, u32(CMD.SHUTDOWN))
}

function command(path: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path })
    const fail = (what: string, cause?: unknown) => {
      socket.destroy()
      reject(new SimulatorError('NOT_RUNNING', `swtpm's control channel at ${path}: ${what}`, { cause }))
    }
    let answer = Buffer.alloc(0)
    socket.setTimeout(5_000, () => fail('no answer'))
    socket.on('error', cause => fail(cause.message, cause))
    socket.on('close', () => fail('closed without an answer'))
    socket.on('data', (data: Buffer) => {
      answer = Buffer.concat([answer, data])
      if (answer.length < 4) return
      const result = answer.readUInt32BE()
      if (result !== 0) return fail(`result 0x${result.toString(16)}`)
      socket.destroy()
      resolve()
    })
    socket.write(bytes)
  })
}
