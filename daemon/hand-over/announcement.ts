/**
 * Whether whoever stops the daemon has said before that it starts the next one at once: SIGUSR2, some time before SIGTERM. The signal alone does
 * nothing, and ends nothing.
 *
 * @returns asks for it; to be called from the first moment on, when the signal would end the process
 */
export function awaitAnnouncement(): () => boolean {
  let announced = false
  process.on('SIGUSR2', () => {
    announced = true
  })
  return () => announced
}
