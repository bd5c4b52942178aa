import type { Command } from 'commander'
import { api } from '../../../../proto/client.ts'
import { addLoadCommand } from '../../../documents.ts'

export function addTrustLoad(parent: Command): void {
  addLoadCommand(parent, 'trust roots', 'writ key trust load trust.json', api.governance.LoadTrustRoots)
}
