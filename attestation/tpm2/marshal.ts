import { ByteReader } from '../../encoding/byte-reader.ts'
import { sha256 } from '../../encoding/digest.ts'
import { EncodingError } from '../../encoding/error.ts'
import type { Authorization } from './authorization.ts'
import { TPM_ST } from './constants.ts'
import { TpmError } from './error.ts'
import type { ResponseAuthorization } from './session-hmac.ts'
import { StructureError } from './structures/index.ts'
import { u32 } from './structures/integers.ts'

/** Most bytes of one command or response: TPM_PT_MAX_COMMAND_SIZE of all TPMs met, and TPM_BUFSIZE of the kernel. */
export const MAX_FRAME = 4096
/** Tag, size and code: what every command and response starts with (TPM 2.0 Part 1, section 18). */
export const HEADER_SIZE = 10

/** A handle, and the Name that goes into the HMAC of a command that uses it (Part 1, section 16). */
export interface Entity {
  readonly handle: number
  readonly name: Buffer
}

/** An entity that has no public area: its Name is its handle. */
export function permanent(handle: number): Entity {
  return { handle, name: u32(handle) }
}

/** One command, before authorization, and how to read what it answers. */
export interface TpmCommand<T> {
  readonly title: string
  readonly code: number
  readonly handles: readonly Entity[]
  readonly parameters: Buffer
  /** True if a handle stands before the response's parameters. */
  readonly returnsHandle?: boolean
  /** Reads the response's parameters; that nothing is left after them is checked by the caller. */
  readonly parse: (reader: ByteReader, handle: number) => T
}

/** cpHash with SHA-256 (Part 1, section 16.7): command code, Name of each handle, parameters. */
export function commandHash(command: Pick<TpmCommand<unknown>, 'code' | 'handles' | 'parameters'>): Buffer {
  return sha256(Buffer.concat([u32(command.code), ...command.handles.map(h => h.name), command.parameters]))
}

/** The bytes of a command with its authorizations. */
export function marshalCommand(command: TpmCommand<unknown>, auths: readonly Authorization[]): Buffer {
  const handles = command.handles.map(h => u32(h.handle))
  let authArea: Buffer[] = []
  let { parameters } = command
  if (auths.length > 0) {
    // The hash is over what goes over the wire (Part 1, section 21.1).
    for (const auth of auths) parameters = auth.protectCommand?.(parameters) ?? parameters
    const cpHash = commandHash({ ...command, parameters })
    const area = Buffer.concat(auths.map(a => a.authorizeCommand(cpHash)))
    authArea = [u32(area.length), area]
  }
  const body = Buffer.concat([...handles, ...authArea, parameters])
  const frame = Buffer.allocUnsafe(HEADER_SIZE + body.length)
  frame.writeUInt16BE(auths.length > 0 ? TPM_ST.SESSIONS : TPM_ST.NO_SESSIONS, 0)
  frame.writeUInt32BE(frame.length, 2)
  frame.writeUInt32BE(command.code, 6)
  body.copy(frame, HEADER_SIZE)
  if (frame.length > MAX_FRAME) throw new RangeError(`${command.title}: command of ${frame.length} bytes`)
  return frame
}

/**
 * Reads a response. Its bytes are controlled by whoever answers at the other end of the transport; nothing of them is
 * believed before size, tag, each authorization's HMAC and the end of the structure have been checked.
 *
 * @throws TpmError `TPM_RC`, `TPM_AUTH_FAILED`, `TPM_MALFORMED`, `TPM_UNAUTHENTIC`
 */
export function parseResponse<T>(
  command: TpmCommand<T>,
  auths: readonly Authorization[],
  response: Uint8Array,
): T {
  try {
    return read(command, auths, response)
  } catch (error) {
    if (!(error instanceof EncodingError || error instanceof StructureError)) throw error
    throw new TpmError('TPM_MALFORMED', `${command.title}: response malformed: ${error.message}`, {
      at: error.at,
      cause: error,
    })
  }
}

function read<T>(command: TpmCommand<T>, auths: readonly Authorization[], response: Uint8Array): T {
  const reader = new ByteReader(response, 'response')
  const tag = reader.u16be('tag')
  const size = reader.u32be('responseSize')
  const rc = reader.u32be('responseCode')
  const malformed = (what: string) => new TpmError('TPM_MALFORMED', `${command.title}: response ${what}`)
  if (size !== response.length) throw malformed(`says ${size} bytes and has ${response.length}`)
  if (rc !== 0) {
    // Part 1, section 18: an error has no sessions and no body. A TPM 1.2 answers with its own tag, 0x00c4.
    if (tag !== TPM_ST.NO_SESSIONS)
      throw malformed(`with error 0x${rc.toString(16)} has tag 0x${tag.toString(16)}`)
    reader.end()
    throw TpmError.fromResponse(command.title, rc)
  }
  if (tag !== (auths.length > 0 ? TPM_ST.SESSIONS : TPM_ST.NO_SESSIONS)) {
    throw malformed(`has tag 0x${tag.toString(16)}`)
  }
  const handle = command.returnsHandle ? reader.u32be('handle') : 0
  if (auths.length === 0) {
    const value = command.parse(reader, handle)
    reader.end()
    return value
  }
  const parameters = reader.bytes(reader.u32be('parameterSize'), 'parameters')
  // rpHash (Part 1, section 16.8): response code, command code, parameters.
  const rpHash = sha256(Buffer.concat([u32(rc), u32(command.code), parameters]))
  const answers = auths.map(() => readAuthorization(reader))
  reader.end()
  answers.forEach((answer, i) => {
    auths[i]?.checkResponse(command.title, rpHash, answer)
  })
  let opened: Buffer = parameters
  for (const auth of auths) opened = auth.openResponse?.(command.title, opened) ?? opened
  const inner = new ByteReader(opened, 'parameters')
  const value = command.parse(inner, handle)
  inner.end()
  return value
}

function readAuthorization(reader: ByteReader): ResponseAuthorization {
  return {
    nonce: reader.sized16be('nonceTPM'),
    attributes: reader.u8('sessionAttributes'),
    hmac: reader.sized16be('hmac'),
  }
}
