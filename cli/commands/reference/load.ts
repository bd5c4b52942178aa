import type { Command } from 'commander'
import { api } from '../../../proto/client.ts'
import { addLoadCommand } from '../../documents.ts'

export function addReferenceLoad(parent: Command): void {
  addLoadCommand(
    parent,
    'reference values',
    'writ reference load reference.json',
    api.governance.LoadReferenceValues,
  )
}
