import type { Command } from 'commander'
import { api } from '../../../proto/client.ts'
import { addLoadCommand } from '../../documents.ts'

export function addLabelsLoad(parent: Command): void {
  addLoadCommand(parent, 'labels of the host', 'writ labels load labels.json', api.governance.LoadHostLabels)
}
