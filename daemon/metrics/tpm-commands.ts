import {
  baseResponseCode,
  isExhausted,
  isTransient,
  TPM_CC,
  TPM_RC,
  TpmError,
  type TpmTransport,
} from '../../attestation/tpm2/index.ts'
import type { Instruments, TPM_ERROR_CODES } from './instruments.ts'

const COMMANDS = new Map<number, string>(Object.entries(TPM_CC).map(([name, code]) => [code, name]))
/** Where the command's code, and the response's, is in a frame (TPM 2.0 Part 1, section 18). */
const CODE_AT = 6
const HEADER_BYTES = 10

type ErrorCode = (typeof TPM_ERROR_CODES)[number] | 'other'

/** The same way to the TPM, with each command's time and what it failed with noted. */
export function watchedTransport(
  transport: TpmTransport,
  instruments: Pick<Instruments, 'tpmCommand' | 'tpmErrors'>,
  nowMs: () => number = () => performance.now(),
): TpmTransport {
  return {
    description: transport.description,
    tcti: transport.tcti,
    exclusive: transport.exclusive,
    release: () => transport.release(),
    close: () => transport.close(),
    async transmit(command, timeoutMs) {
      const begun = nowMs()
      const name = command.length < HEADER_BYTES ? undefined : COMMANDS.get(command.readUInt32BE(CODE_AT))
      try {
        const response = await transport.transmit(command, timeoutMs)
        const failure = response.length < HEADER_BYTES ? null : refusal(response.readUInt32BE(CODE_AT))
        if (failure !== null) instruments.tpmErrors.add([failure])
        return response
      } catch (error) {
        instruments.tpmErrors.add([error instanceof TpmError ? error.code : 'other'])
        throw error
      } finally {
        instruments.tpmCommand.observe((nowMs() - begun) / 1000, name)
      }
    },
  }
}

/** What a response code counts as; null for success, and for "no such handle", which is how one asks whether there is one. */
function refusal(rc: number): ErrorCode | null {
  const base = baseResponseCode(rc)
  if (rc === TPM_RC.SUCCESS || base === TPM_RC.HANDLE) return null
  if (rc & 0x080 && (base === TPM_RC.AUTH_FAIL || base === TPM_RC.BAD_AUTH)) return 'RC_AUTH_FAIL'
  if (rc === TPM_RC.LOCKOUT) return 'RC_LOCKOUT'
  if (rc === TPM_RC.FAILURE) return 'RC_FAILURE'
  if (rc === TPM_RC.INITIALIZE) return 'RC_INITIALIZE'
  if (isExhausted(rc)) return 'RC_MEMORY'
  if (rc === TPM_RC.NV_RATE || rc === TPM_RC.NV_UNAVAILABLE || rc === TPM_RC.NV_UNINITIALIZED) return 'RC_NV'
  return isTransient(rc) ? 'RC_RETRY' : 'other'
}
