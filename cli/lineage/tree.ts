import type { LineageEvent } from '../../lineage/index.ts'
import { printable, styled } from '../output.ts'
import { eventText, short } from './line.ts'
import { commandOf, type RequestFacts } from './request-facts.ts'

type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>
type Decision = EventOf<'decision'>

/** One event and its position. */
export interface TreeEntry {
  readonly index: number
  readonly event: LineageEvent
}

/** One line of the tree and what hangs below it. */
export interface TreeNode {
  readonly text: string
  /** Positions of the entries that the line speaks of; empty for a heading. */
  readonly entries: readonly number[]
  readonly children: readonly TreeNode[]
}

/** An execution that is being put together. */
interface Growing {
  readonly id: string
  readonly text: string
  readonly children: (TreeNode | Growing)[]
  readonly entries: readonly number[]
  /** Null: at the top. */
  readonly parent: Growing | null
  ended: boolean
  /** Executions below it that have not ended, and itself. */
  open: number
}

/** Executions that are kept until they end; beyond, the oldest is given as far as it is known. */
const MAX_OPEN = 4096

/**
 * Orders a log by what led to what, as its entries come: each execution, once it and all below it have ended, with its origin, what authorized it,
 * what its decision stood on, its START and END and its children; everything else where it stands. It holds no more than what has not ended.
 */
export class TreeBuilder {
  readonly #factsOf: (decision: Decision) => Promise<RequestFacts>
  readonly #open = new Map<string, Growing>()
  /** Appraisals that say the same, one after another: one line. */
  #same: { text: string; entries: number[] } | null = null

  /** @param factsOf what is known of a decision's record and artifact */
  constructor(factsOf: (decision: Decision) => Promise<RequestFacts>) {
    this.#factsOf = factsOf
  }

  /** Takes the next entry, and gives what is finished by it. */
  async take({ index, event }: TreeEntry): Promise<TreeNode[]> {
    switch (event.type) {
      case 'decision':
        return this.#decision(index, event)
      case 'execution-start':
      case 'freeze':
      case 'renewal':
      case 'thaw':
      case 'hand-over':
      case 'adoption':
      case 'kill-sent':
      case 'execution-end':
        return this.#ofExecution(index, event)
      case 'appraisal': {
        const text = eventText(event)
        if (this.#same?.text === text) {
          this.#same.entries.push(index)
          return []
        }
        const before = this.#flush()
        this.#same = { text, entries: [index] }
        return before
      }
      default:
        return [...this.#flush(), line(eventText(event), [index])]
    }
  }

  /** What has not ended when the entries have. */
  end(): TreeNode[] {
    const roots = [...this.#open.values()].filter(({ parent }) => parent === null)
    this.#open.clear()
    return [...this.#flush(), ...roots.map(finished)]
  }

  #flush(): TreeNode[] {
    if (this.#same === null) return []
    const { text, entries } = this.#same
    this.#same = null
    return [line(entries.length === 1 ? text : `${text}  × ${entries.length}`, entries)]
  }

  async #decision(index: number, event: Decision): Promise<TreeNode[]> {
    const facts = await this.#factsOf(event)
    const command = commandOf(facts)
    const parent = this.#open.get(event.caller.parent ?? '') ?? null
    // What consumes nothing was only asked for, and never runs.
    if (event.outcome === 'deny' || event.executionId === null || event.use === null) {
      const node = line(`${eventText(event)}${command === null ? '' : `  ${printable(command)}`}`, [index])
      if (parent === null) return [...this.#flush(), node]
      parent.children.push(node)
      return []
    }
    const id = event.executionId
    this.#add({
      ...{ id, text: executionText(id, command), entries: [], parent, ended: false, open: 1 },
      children: [
        line(originText(event), []),
        line(authorityText(event, facts), []),
        ...groundsOf(event),
        line(`decision  ${eventText(event)}`, [index]),
      ],
    })
    return this.#bound()
  }

  #add(growing: Growing): void {
    this.#open.set(growing.id, growing)
    growing.parent?.children.push(growing)
    for (let above = growing.parent; above !== null; above = above.parent) above.open++
  }

  #ofExecution(index: number, event: Extract<LineageEvent, { executionId: string }>): TreeNode[] {
    let growing = this.#open.get(event.executionId)
    if (growing === undefined) {
      // Its permit is not among the entries.
      const permit = 'decision' in event ? [line('decision', [event.decision])] : []
      const text = executionText(event.executionId, null)
      growing = {
        id: event.executionId,
        text,
        children: permit,
        entries: [],
        parent: null,
        ended: false,
        open: 1,
      }
      this.#add(growing)
    }
    growing.children.push(line(eventText(event), [index]))
    if (event.type !== 'execution-end' || growing.ended) return this.#bound()
    growing.ended = true
    let root = growing
    for (let at: Growing | null = growing; at !== null; at = at.parent) {
      at.open--
      root = at
    }
    return root.open > 0 ? [] : this.#give(root)
  }

  #give(root: Growing): TreeNode[] {
    this.#forget(root)
    return [...this.#flush(), finished(root)]
  }

  #forget(growing: Growing): void {
    this.#open.delete(growing.id)
    for (const child of growing.children) if ('id' in child) this.#forget(child)
  }

  #bound(): TreeNode[] {
    if (this.#open.size <= MAX_OPEN) return []
    const oldest = this.#open.values().next().value
    return oldest === undefined ? [] : this.#give(oldest)
  }
}

function finished({ text, entries, children }: Growing): TreeNode {
  return { text, entries, children: children.map(child => ('id' in child ? finished(child) : child)) }
}

function line(text: string, entries: readonly number[]): TreeNode {
  return { text, entries, children: [] }
}

/** The heading of an execution. */
export function executionText(id: string, command: string | null): string {
  return `execution ${styled('bold', short(id))}${command === null ? '' : `  ${printable(command)}`}`
}

function originText({ caller }: Decision): string {
  const where = caller.unit ?? caller.cgroup
  return `origin      uid ${caller.uid}, pid ${caller.pid}${where === null ? '' : `, ${printable(where)}`}`
}

function authorityText({ artifact }: Decision, { issuer, id }: RequestFacts): string {
  const by = issuer === null ? '' : `, ${printable(`${id ?? ''} issued by ${issuer}`)}`
  return `authorized by artifact ${artifact === null ? 'none' : short(artifact)}${by}`
}

/** What the decision stood on, as its links say. */
function groundsOf({ links, caller }: Decision): TreeNode[] {
  const { policy, trustRoots, appraisal, parent } = links
  const lines: [string, number | null][] = [
    ['inherits    from the execution that asked for it', parent],
    ['authority   by trust roots', trustRoots],
    ['policy      by policy', policy],
    ['evidence    by appraisal', appraisal],
  ]
  return lines.flatMap(([text, index], i) => {
    if (index === null) return []
    return [line(i === 0 ? `${text}, ${short(caller.parent ?? '')}` : text, [index])]
  })
}

/** A node as lines with guides. */
export function treeLines(node: TreeNode): string[] {
  return [`${node.text}${numbers(node.entries)}`, ...below(node.children, '')]
}

function below(nodes: readonly TreeNode[], prefix: string): string[] {
  return nodes.flatMap((node, i) => {
    const last = i === nodes.length - 1
    const guide = styled('dim', `${prefix}${last ? '└─ ' : '├─ '}`)
    return [
      `${guide}${node.text}${numbers(node.entries)}`,
      ...below(node.children, `${prefix}${last ? '   ' : '│  '}`),
    ]
  })
}

function numbers(entries: readonly number[]): string {
  const [first, last] = [entries[0], entries.at(-1)]
  if (first === undefined || last === undefined) return ''
  return styled('dim', first === last ? `  #${first}` : `  #${first}…#${last}`)
}
