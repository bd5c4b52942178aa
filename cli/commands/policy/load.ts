import type { Command } from 'commander'
import { api } from '../../../proto/client.ts'
import { addLoadCommand } from '../../documents.ts'

export function addPolicyLoad(parent: Command): void {
  addLoadCommand(parent, 'a policy bundle', 'writ policy load policy.json', api.governance.LoadPolicy)
}
