import ts from 'typescript'

const { SyntaxKind } = ts

const COMPARISONS: ReadonlySet<ts.SyntaxKind> = new Set([
  SyntaxKind.LessThanToken,
  SyntaxKind.LessThanEqualsToken,
  SyntaxKind.GreaterThanToken,
  SyntaxKind.GreaterThanEqualsToken,
  SyntaxKind.EqualsEqualsEqualsToken,
  SyntaxKind.ExclamationEqualsEqualsToken,
  SyntaxKind.EqualsEqualsToken,
  SyntaxKind.ExclamationEqualsToken,
  SyntaxKind.InKeyword,
  SyntaxKind.InstanceOfKeyword,
])

const isConnective = (node: ts.Node): node is ts.BinaryExpression =>
  ts.isBinaryExpression(node) &&
  (node.operatorToken.kind === SyntaxKind.AmpersandAmpersandToken ||
    node.operatorToken.kind === SyntaxKind.BarBarToken)

/** Methods that give true or false. */
const PREDICATES =
  /\.(?:every|some|includes|has|test|startsWith|endsWith|equals|isArray|isSafeInteger|isWellFormed|isNaN)$/

/** Whether a node is what an `if`, a loop or a `?:` asks. */
function isAsked(node: ts.Node): boolean {
  const { parent } = node
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent))
    return parent.expression === node
  return (ts.isConditionalExpression(parent) || ts.isForStatement(parent)) && parent.condition === node
}

/** Whether an expression is true or false by its form. */
function isPredicate(node: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(node)) return isPredicate(node.expression)
  if (ts.isPrefixUnaryExpression(node)) return node.operator === SyntaxKind.ExclamationToken
  if (ts.isCallExpression(node)) return PREDICATES.test(node.expression.getText())
  if (isConnective(node)) return isPredicate(node.left) || isPredicate(node.right)
  return ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind)
}

/** Whether an expression is true or false, by its form or by where it stands. */
export function isBoolean(node: ts.Node): boolean {
  if (!ts.isExpression(node)) return false
  if (isAsked(node) || isPredicate(node)) return true
  const { parent } = node
  return (ts.isParenthesizedExpression(parent) || isConnective(parent)) && isBoolean(parent)
}

/** What replaces a part of a source. */
interface Changes {
  replace(node: ts.Node, replacement: string): void
}

/** A condition that always holds, and one that never does; so also for each part of a longer one. */
export function booleans(node: ts.Node, out: Changes): void {
  if (ts.isParenthesizedExpression(node) || !isBoolean(node)) return
  const parent = node.parent
  // Of a part of `&&` one of the two is the whole that is false, and of `||` the whole that is true.
  const kind = isConnective(parent) ? parent.operatorToken.kind : null
  // A loop that never ends is noticed by nobody but the clock.
  const loops = ts.isWhileStatement(parent) || ts.isDoStatement(parent) || ts.isForStatement(parent)
  if (kind !== SyntaxKind.BarBarToken && !loops) out.replace(node, 'true')
  if (kind !== SyntaxKind.AmpersandAmpersandToken) out.replace(node, 'false')
}
