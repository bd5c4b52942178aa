import { beforeAll, describe, expect, it } from 'vitest'
import { tier, type VerifiedEk, verifyEkChain } from '../../../attestation/identity/index.ts'
import { AT, forgeEkChain } from './certificate-forge.ts'

let ek: VerifiedEk
beforeAll(async () => {
  const { root, issuing, ek: leaf } = await forgeEkChain()
  ek = verifyEkChain(leaf.der, {
    hardwareRoots: [root.der],
    otherRoots: [],
    intermediates: [issuing.der],
    at: AT,
  })
})
const named = (manufacturer: string, model = 'ST33'): VerifiedEk => ({
  ...ek,
  tpm: { manufacturer, model, version: '00000001' },
})

describe('tier', () => {
  it('is hardware under a hardware root, whatever a maker of hardware reports', () => {
    expect(tier(ek)).toBe('hardware')
    expect(tier(ek, 0x53544d20)).toBe('hardware')
  })

  it('is unknown under another root, without TPM attributes, and without a chain', () => {
    expect(tier({ ...ek, rootKind: 'other' })).toBe('unknown')
    expect(tier({ ...ek, tpm: null })).toBe('unknown')
    expect(tier(null)).toBe('unknown')
    expect(tier(null, 0x53544d20)).toBe('unknown')
  })

  it.each([
    ['swtpm', '00001014', 'swtpm'],
    ['swtpm under a borrowed manufacturer', '53544D20', 'swtpm'],
    ['IBM SW TPM', '49424D20', 'SW   TPM'],
    ['IBM, model unsaid', '49424D00', 'x'],
    ['Microsoft simulator', '4D534654', 'TPM Simulator'],
    ['Microsoft, model unsaid', '4D534654', 'x'],
    ['simulator under a borrowed manufacturer', '53544D20', 'Simulator'],
    ['reference code', '58595A20', 'xCG fTPM'],
  ])('is never hardware for %s, under a hardware root', (_, manufacturer, model) => {
    expect(tier(named(manufacturer, model))).toBe('simulated')
  })

  it('is lowered by what the TPM reports of itself', () => {
    expect(tier(ek, 0x49424d00)).toBe('simulated')
    expect(tier(ek, 0x4d534654)).toBe('simulated')
    expect(tier(null, 0x49424d00)).toBe('simulated')
    // Leading zero bytes count: swtpm's certificate id as a number.
    expect(tier(ek, 0x00001014)).toBe('simulated')
  })
})
