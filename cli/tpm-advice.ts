/**
 * What somebody does about a TPM, as the commands of tpm2-tools 5 want it. A value is read by `systemd-ask-password` and passed on by a pipe: as an
 * argument everybody on the host would see it, and without any tpm2_changeauth is content and sets none.
 */
export const TPM_ADVICE = {
  setLockoutAuth: 'systemd-ask-password -n | tpm2_changeauth -c lockout file:-',
  clearLockout: 'systemd-ask-password -n | tpm2_dictionarylockout --clear-lockout --auth file:-',
  /** Needs the platform hierarchy, which firmware of real machines closes before it starts the system (TPM2_PCR_Allocate, Part 3). */
  allocateSha256: 'tpm2_pcrallocate sha1:none+sha256:all',
} as const
