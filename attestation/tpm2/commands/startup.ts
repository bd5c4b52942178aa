import { TPM_CC } from '../constants.ts'
import type { TpmCommand } from '../marshal.ts'
import { u16 } from '../structures/integers.ts'

/** TPM_SU (TPM 2.0 Part 2, section 6.10). */
const SU = { clear: 0x0000, state: 0x0001 } as const

/** TPM2_Startup (Part 3, section 9.3). On a host firmware and kernel do it; here it is for simulated TPMs. */
export function startupCommand(kind: keyof typeof SU): TpmCommand<void> {
  return {
    title: 'TPM2_Startup',
    code: TPM_CC.Startup,
    handles: [],
    parameters: u16(SU[kind]),
    parse: () => undefined,
  }
}

/** TPM2_Shutdown (Part 3, section 9.4), likewise for simulated TPMs. */
export function shutdownCommand(kind: keyof typeof SU): TpmCommand<void> {
  return {
    title: 'TPM2_Shutdown',
    code: TPM_CC.Shutdown,
    handles: [],
    parameters: u16(SU[kind]),
    parse: () => undefined,
  }
}
