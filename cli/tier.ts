const LABELS = {
  simulated: 'simulated TPM',
  hardware: 'hardware TPM',
  unknown: 'TPM of unknown kind',
} as const

/** The words that stand for a tier wherever a report or status shows one. */
export function tierLabel(tier: keyof typeof LABELS): (typeof LABELS)[keyof typeof LABELS] {
  return LABELS[tier]
}

/** The same for the API's enum; what is not known is not called anything better. */
export function tierLabelOf(tier: string | number): string {
  const name = String(tier)
    .replace(/^TPM_TIER_/, '')
    .toLowerCase()
  return LABELS[name === 'simulated' || name === 'hardware' ? name : 'unknown']
}
