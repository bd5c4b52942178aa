import type { Step } from '../step.ts'
import { attested } from './attested.ts'
import { configuration } from './configuration.ts'
import { hello } from './hello.ts'
import { host } from './host.ts'
import { identity } from './identity.ts'
import { ima } from './ima.ts'
import { keys } from './keys.ts'
import { policy } from './policy.ts'
import { reference } from './reference.ts'
import { service } from './service.ts'
import { trust } from './trust.ts'

/** All steps, in their order: whatever needs no reboot comes before what waits for one. */
export const STEPS: readonly Step[] = [
  host,
  identity,
  keys,
  trust,
  policy,
  ima,
  reference,
  configuration,
  service,
  attested,
  hello,
]
