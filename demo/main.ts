import { DemoError } from './processes.ts'
import { Screen, styled } from './screen.ts'
import { audit } from './steps/audit.ts'
import { deny } from './steps/deny.ts'
import { govern } from './steps/govern.ts'
import { infer } from './steps/infer.ts'
import { provision } from './steps/provision.ts'
import { receipt } from './steps/receipt.ts'
import { serve } from './steps/serve.ts'
import { simulate } from './steps/simulate.ts'
import { tamper } from './steps/tamper.ts'
import { Workspace } from './workspace.ts'

/**
 * A governed execution, end to end, on a simulated TPM: a real workload runs because a signed artifact, the policy and the
 * TPM agree, and dies because the TPM stops agreeing. Everything goes through the real programs, as processes.
 */
async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('demo: the launcher runs as root, so the demo does too: sudo npm run demo\n')
    return 2
  }
  const workspace = await Workspace.create()
  const screen = new Screen()
  let interrupted: NodeJS.Signals | undefined
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      interrupted = name
      void workspace.close().then(() => process.exit(130))
    })
  }
  try {
    process.stdout.write(
      `${styled('bold', 'Writ')}: a governed execution, end to end, on a ${styled('bold', 'simulated TPM')}\n`,
    )
    const simulated = await simulate(screen, workspace)
    const host = await provision(screen, workspace, simulated)
    const governed = await govern(screen, workspace, host)
    const site = await serve(screen, workspace, governed)
    const workload = await infer(screen, site)
    await deny(screen, site, workload)
    await tamper(screen, site, workload, simulated)
    await audit(screen, site)
    await receipt(screen, site)
    return screen.summary() ? 0 : 1
  } catch (error) {
    if (interrupted === undefined) {
      process.stderr.write(`\ndemo: ${error instanceof DemoError ? error.message : firstLine(error)}\n`)
    }
    return 1
  } finally {
    await screen.waiting('cleaning up', workspace.close())
  }
}

/** What nobody foresaw, in one line. */
function firstLine(error: unknown): string {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return message.split('\n', 1)[0] ?? message
}

process.exitCode = await main()
