/**
 * A way to a TPM. One command at a time: the caller waits for the answer before it sends the next, which the queue in
 * {@link Tpm} sees to. After any failure the connection is gone, and the next command makes a new one, so that a late
 * answer can never be taken for the answer to another command.
 */
export interface TpmTransport {
  /** For messages: the path and its kind. */
  readonly description: string
  /** What tpm2-tools need to reach the same TPM, as for `TPM2TOOLS_TCTI`. */
  readonly tcti: string
  /**
   * True if nothing between here and the TPM frees what a lost client left behind, and only one client is served at a
   * time (swtpm). With the kernel's resource manager it is false.
   */
  readonly exclusive: boolean
  /**
   * Sends one command and returns the whole response.
   *
   * @throws TpmError `TPM_UNAVAILABLE`, `TPM_TIMEOUT`, `TPM_MALFORMED` (not one frame of a sane size), `TPM_CLOSED`
   */
  transmit(command: Buffer, timeoutMs: number): Promise<Buffer>
  /** Drops the connection, if there is one, so that others may use the TPM. The next command connects again. */
  release(): Promise<void>
  /** Drops the connection for good. */
  close(): Promise<void>
}
