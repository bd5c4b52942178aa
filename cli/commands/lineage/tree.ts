import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../../command.ts'
import { Family, findExecution } from '../../lineage/execution.ts'
import { readEntry } from '../../lineage/filter.ts'
import { entryAt } from '../../lineage/links.ts'
import { commandOf, requestFacts } from '../../lineage/request-facts.ts'
import {
  addRangeOptions,
  addSourceOptions,
  type RangeOptions,
  readRange,
  type SourceOptions,
  withSource,
} from '../../lineage/selection.ts'
import type { LogSource } from '../../lineage/source.ts'
import { executionText, TreeBuilder, type TreeNode, treeLines } from '../../lineage/tree.ts'

interface Options extends SourceOptions, RangeOptions {}

/** How far up the executions are shown that one came from. Nesting itself is bounded by the daemon. */
const MAX_ANCESTORS = 64

export function addLineageTree(parent: Command): void {
  const command = addCommand(
    parent,
    'tree [execution]',
    'Show what led to what: each execution with its origin, its authorization, what its decision stood on, its start, its end and its children.',
    `writ lineage tree --since today
     writ lineage tree 5d0c1f2a
     writ lineage tree --directory bundle/ --from 100 --to 200`,
    [
      {
        as: 'lines',
        fields: {
          text: 'text',
          entries: ['number: positions that the line speaks of'],
          children: ['json: such nodes again'],
        },
      },
    ],
  )
  addRangeOptions(command)
  addSourceOptions(command)
  addNote(
    command,
    'An execution is shown with all that it led to, once all of that has ended or the entries have; everything else where it stands in the log. With an\n' +
      'execution, named by its id or the beginning of it, it alone is shown, below those that it came from.',
  )
  setAction<Options>(command, ({ args, options, output }) =>
    withSource(options, output, async source => {
      const builder = new TreeBuilder(event => requestFacts(event, source.blob))
      const print = async (nodes: readonly TreeNode[]) => {
        for (const node of nodes) if (!(await output.item(node, () => treeLines(node)))) return false
        return true
      }
      const [id] = args
      if (id !== undefined) {
        await print([await treeOf(source, builder, id, options)])
        return undefined
      }
      const { from, to } = await readRange(source, options)
      for await (const raw of source.read(from, to))
        if (!(await print(await builder.take(readEntry(raw))))) return undefined
      await print(builder.end())
      return undefined
    }),
  )
}

/** One execution with all that it led to, below those that it came from. */
async function treeOf(
  source: LogSource,
  builder: TreeBuilder,
  text: string,
  options: RangeOptions,
): Promise<TreeNode> {
  const { executionId, decision } = await findExecution(source, text)
  const { from, to } = await readRange(source, { ...options, from: decision })
  const family = new Family(executionId, true)
  const nodes: TreeNode[] = []
  for await (const raw of source.read(from, to)) {
    const entry = readEntry(raw)
    if (!family.take(entry.event)) continue
    nodes.push(...(await builder.take(entry)))
    if (family.isOver) break
  }
  nodes.push(...builder.end())
  const [first, ...more] = nodes
  const own: TreeNode = first ?? { text: executionText(executionId, null), entries: [decision], children: [] }
  return below(source, decision, { ...own, children: [...own.children, ...more] })
}

/** Puts a node below the executions that it came from. */
async function below(source: LogSource, decision: number, node: TreeNode): Promise<TreeNode> {
  let [at, tree] = [decision, node]
  for (let i = 0; i < MAX_ANCESTORS; i++) {
    const event = (await entryAt(source, at))?.event
    if (event?.type !== 'decision' || event.caller.parent === null || event.links.parent === null) break
    const start = (await entryAt(source, event.links.parent))?.event
    if (start?.type !== 'execution-start') break
    const permit = (await entryAt(source, start.decision))?.event
    const facts = permit?.type === 'decision' ? await requestFacts(permit, source.blob) : null
    const text = executionText(start.executionId, facts && commandOf(facts))
    tree = { text, entries: [start.decision, event.links.parent], children: [tree] }
    at = start.decision
  }
  return tree
}
