import ts from 'typescript'
import { booleans, isBoolean } from './booleans.ts'
import { type Mutant, oneLine } from './mutant.ts'

const { SyntaxKind } = ts

/**
 * What each operator is turned into: a comparison loses or gains its edge. That it is turned around needs no mutant of its own: whoever
 * notices that it always holds, or never does, notices that as well.
 */
const OPERATORS: Readonly<Partial<Record<ts.SyntaxKind, readonly string[]>>> = {
  [SyntaxKind.LessThanToken]: ['<='],
  [SyntaxKind.LessThanEqualsToken]: ['<'],
  [SyntaxKind.GreaterThanToken]: ['>='],
  [SyntaxKind.GreaterThanEqualsToken]: ['>'],
  [SyntaxKind.AmpersandAmpersandToken]: ['||'],
  [SyntaxKind.BarBarToken]: ['&&'],
  [SyntaxKind.PlusToken]: ['-'],
  [SyntaxKind.MinusToken]: ['+'],
  [SyntaxKind.AsteriskToken]: ['/'],
  [SyntaxKind.SlashToken]: ['*'],
  [SyntaxKind.PercentToken]: ['*'],
  [SyntaxKind.LessThanLessThanToken]: ['>>'],
}

/** Methods and functions that are turned into their opposite. */
const OPPOSITES = new Map([
  ['every', 'some'],
  ['some', 'every'],
  ['max', 'min'],
  ['min', 'max'],
])

/** Calls whose argument is text for a person: it decides nothing. By the name of what is called, and the position. */
const WORDS = new Map([
  ['reason', 1],
  ['malformed', 0],
  ['fail', 1],
  ['refuse', 0],
  ['exceeded', 0],
  ['mismatch', 0],
  ['AuthorizationError', 1],
  ['SigningError', 1],
  ['JsonError', 1],
  ['TextError', 1],
  ['TypeError', 0],
  ['Error', 0],
  // What a check shows, of a host and of an artifact.
  ['ofHost', 2],
  ['ofArtifact', 2],
])

/** Where nothing is decided: types, texts, and what a check shows to a person who asks. */
function isWords(node: ts.Node): boolean {
  const { parent } = node
  if (ts.isTypeNode(node) || ts.isTemplateExpression(node) || ts.isImportDeclaration(node)) return true
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'compared') return true
  if ((ts.isCallExpression(parent) || ts.isNewExpression(parent)) && parent.arguments !== undefined) {
    const called = parent.expression.getText().replace(/^.*\./s, '')
    const position = WORDS.get(called)
    return position !== undefined && parent.arguments[position] === node
  }
  return false
}

class Collector {
  readonly mutants: Mutant[] = []
  readonly #file: string
  readonly #source: ts.SourceFile

  constructor(file: string, source: ts.SourceFile) {
    this.#file = file
    this.#source = source
  }

  replace(node: ts.Node, replacement: string, change?: string): void {
    this.#add(
      node.getStart(),
      node.end,
      node.getStart(),
      replacement,
      change ?? this.#change(node, replacement),
    )
  }

  /** Takes an element out of a list, with its comma. */
  remove(list: ts.NodeArray<ts.Node>, index: number): void {
    const item = list[index]
    if (item === undefined) return
    const next = list[index + 1]
    const start =
      next === undefined && index > 0 ? (list[index - 1]?.end ?? item.getStart()) : item.getStart()
    const end = next === undefined ? item.end : next.getStart()
    this.#add(start, end, list.pos, '', `without ${oneLine(item.getText())}`)
  }

  #change(node: ts.Node, replacement: string): string {
    return `${oneLine(node.getText())} → ${oneLine(replacement) || 'nothing'}`
  }

  #add(start: number, end: number, reached: number, replacement: string, change: string): void {
    const line = this.#source.getLineAndCharacterOfPosition(start).line + 1
    this.mutants.push({ file: this.#file, start, end, reached, replacement, line, change })
  }
}

/** Whether a statement is all that an `if` does: then it is left out where the condition never holds. */
function isWholeBranch(node: ts.Statement): boolean {
  const branch = ts.isBlock(node.parent) && node.parent.statements.length === 1 ? node.parent : node
  return ts.isIfStatement(branch.parent) && branch.parent.elseStatement === undefined
}

/** The statement is left out. Declarations stay, and so does the last return, without which nothing is given at all. */
function statements(node: ts.Node, out: Collector): void {
  const { parent } = node
  const isLast = ts.isBlock(parent) && ts.isFunctionLike(parent.parent) && parent.statements.at(-1) === node
  const early = ts.isReturnStatement(node) && !isLast
  if (!early && !ts.isExpressionStatement(node) && !ts.isThrowStatement(node)) return
  if (!isWholeBranch(node)) out.replace(node, ';', `without ${oneLine(node.getText())}`)
}

function operators(node: ts.Node, out: Collector): void {
  if (!ts.isBinaryExpression(node)) return
  const { left, operatorToken, right } = node
  if (ts.isStringLiteralLike(left) || ts.isStringLiteralLike(right)) {
    if (operatorToken.kind === SyntaxKind.PlusToken) return
  }
  for (const operator of OPERATORS[operatorToken.kind] ?? []) {
    const text = `${left.getText()} ${operator} ${right.getText()}`
    out.replace(operatorToken, operator, `${oneLine(node.getText())} → ${oneLine(text)}`)
  }
}

function removeEach(list: ts.NodeArray<ts.Node>, first: number, out: Collector): void {
  for (let i = first; i < list.length; i += 1) out.remove(list, i)
}

/** A list without each of its elements: tables of checks, lists of reasons, alternatives, the rules of a `pipe`. */
function elements(node: ts.Node, out: Collector): void {
  if (ts.isArrayLiteralExpression(node)) removeEach(node.elements, 0, out)
  if (!ts.isCallExpression(node)) return
  const called = node.expression.getText()
  if (called === 'v.pipe') removeEach(node.arguments, 1, out)
  if (called === 'v.strictObject')
    out.replace(node.expression, 'v.object', `v.object(${oneLine(node.arguments[0]?.getText() ?? '')})`)
  const method = /\.(\w+)$/.exec(called)?.[1] ?? ''
  const opposite = OPPOSITES.get(method)
  if (ts.isPropertyAccessExpression(node.expression) && opposite !== undefined)
    out.replace(node.expression.name, opposite, `${oneLine(node.getText())} → ${opposite}`)
}

/** A check without its reasons. */
function checks(node: ts.Node, out: Collector): void {
  if (
    ts.isPropertyAssignment(node) &&
    node.name.getText() === 'reasons' &&
    !ts.isArrayLiteralExpression(node.initializer)
  )
    out.replace(node.initializer, '() => []', `reasons: ${oneLine(node.initializer.getText())} → none`)
}

function literals(node: ts.Node, out: Collector): void {
  if (node.kind === SyntaxKind.TrueKeyword && !isBoolean(node)) out.replace(node, 'false')
  if (node.kind === SyntaxKind.FalseKeyword && !isBoolean(node)) out.replace(node, 'true')
  if (!ts.isNumericLiteral(node)) return
  // A number alone does not say which one it is.
  const where = oneLine(node.parent.getText())
  const number = node.getText()
  out.replace(node, `(${number} + 1)`, `${where}: ${number} + 1`)
  if (Number(node.text) !== 0) out.replace(node, `(${number} - 1)`, `${where}: ${number} - 1`)
}

const OPERATIONS = [booleans, operators, statements, elements, checks, literals]

/**
 * All mutants of a file, in the order of the source: each condition, comparison and connective another way, each early return, throw,
 * call, list element and rule of a schema left out, each number one more and one less.
 */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  const out = new Collector(file, source)
  const visit = (node: ts.Node): void => {
    if (isWords(node)) return
    for (const operation of OPERATIONS) operation(node, out)
    node.forEachChild(visit)
  }
  source.forEachChild(visit)
  return out.mutants.sort((a, b) => a.start - b.start || a.end - b.end)
}
