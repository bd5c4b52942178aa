import { defineArea } from '../area.ts'

/** More than clocks of hosts that are kept differ. */
const TOLERANCE_MS = 5_000
/** A suspend that was shorter ends nothing. */
const SUSPENDED_SECONDS = 10

export const CLOCK = defineArea({
  name: 'clock',
  title: 'the clock: kept, and not behind what was recorded',
  findings: {
    CLOCK_UNSYNCHRONIZED: {
      severity: 'warning',
      what: 'nothing keeps the wall clock',
      why: 'Artifacts and documents are valid from one time to another; a clock that drifts permits too long or denies too early.',
      todo: '`timedatectl set-ntp true`, or run chrony.',
    },
    CLOCK_BEHIND: {
      severity: 'error',
      what: 'the wall clock is behind what the lineage recorded',
      why: 'Nothing is permitted (CLOCK_UNTRUSTED): what has expired would be valid again.',
      todo: 'Set the clock right, and restart writd. docs/time.md',
    },
    HOST_SUSPENDED: {
      severity: 'warning',
      what: 'the host was suspended since its boot',
      why: 'Evidence grows old in suspend: what ran has ended.',
      todo: '`systemctl mask sleep.target suspend.target hibernate.target hybrid-sleep.target`',
    },
  },
  async look(host, report) {
    const clock = report.need(['CLOCK_UNSYNCHRONIZED', 'CLOCK_BEHIND', 'HOST_SUSPENDED'], await host.clock())
    if (clock === null) return
    const { now, synchronized, suspended } = clock
    if (!synchronized) report.found('CLOCK_UNSYNCHRONIZED', 'the kernel calls it unsynchronised')
    if (suspended > SUSPENDED_SECONDS)
      report.found('HOST_SUSPENDED', `for ${Math.round(suspended)} s since the boot`)
    // Written whenever the lineage is, and by nobody else.
    const state = report.need(['CLOCK_BEHIND'], await host.stateDirectory(), host.configPath)
    if (state === null) return
    const path = `${state}/lineage/checkpoint`
    const checkpoint = await host.probes.files.stat(path)
    if (!checkpoint.seen)
      report.skip(
        ['CLOCK_BEHIND'],
        checkpoint.why === 'missing' ? 'there is no lineage yet' : checkpoint,
        path,
      )
    else if (checkpoint.value.mtimeMs > now + TOLERANCE_MS)
      report.found(
        'CLOCK_BEHIND',
        `it is ${new Date(now).toISOString()}, and the checkpoint is of ${new Date(checkpoint.value.mtimeMs).toISOString()}`,
        { where: path },
      )
  },
})
