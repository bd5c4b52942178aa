import type { Curve } from './curves.ts'

/** A point in projective coordinates; z = 0 is the point at infinity. */
export interface Point {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
}

const INFINITY: Point = { x: 0n, y: 1n, z: 0n }
/** Bits of a scalar that are looked up at once. */
const WINDOW = 4
const DIGITS = 1 << WINDOW

function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

/**
 * Adds two points of a curve of prime order: the complete formulas of Renes, Costello and Batina (EUROCRYPT 2016, algorithm 1), which
 * have no exceptions, so that no choice of points leads astray. Nothing here is secret, and nothing takes care of time.
 */
function add(left: Point, right: Point, { p, a, b }: Curve): Point {
  const b3 = 3n * b
  const xx = (left.x * right.x) % p
  const yy = (left.y * right.y) % p
  const zz = (left.z * right.z) % p
  const xy = ((left.x + left.y) * (right.x + right.y) - xx - yy) % p
  const xz = ((left.x + left.z) * (right.x + right.z) - xx - zz) % p
  const yz = ((left.y + left.z) * (right.y + right.z) - yy - zz) % p
  const t = (a * xz + b3 * zz) % p
  const minus = yy - t
  const plus = yy + t
  const azz = (a * zz) % p
  const three = (3n * xx + azz) % p
  const u = (b3 * xz + a * (xx - azz)) % p
  return {
    x: (xy * minus - yz * u) % p,
    y: (minus * plus + three * u) % p,
    z: (yz * plus + xy * three) % p,
  }
}

/** Multiples of one point, for each digit of a scalar: multiplying is then only adding. */
export type Table = readonly (readonly Point[])[]

/** Makes the table of a point; worth it when the point is used more than once. */
export function tableOf(x: bigint, y: bigint, curve: Curve): Table {
  const rows: Point[][] = []
  let base: Point = { x, y, z: 1n }
  for (let bits = curve.n.toString(2).length; bits > 0; bits -= WINDOW) {
    const row: Point[] = [INFINITY]
    for (let digit = 1; digit < DIGITS; digit++) row.push(add(row[digit - 1] ?? INFINITY, base, curve))
    rows.push(row)
    base = add(row[DIGITS - 1] ?? INFINITY, base, curve)
  }
  return rows
}

/** The x coordinate of the sum of scalars times points, or null for the point at infinity. */
export function sumX(terms: readonly { scalar: bigint; table: Table }[], curve: Curve): bigint | null {
  let sum = INFINITY
  for (const { scalar, table } of terms) {
    for (const [i, row] of table.entries()) {
      const digit = Number((scalar >> BigInt(i * WINDOW)) & BigInt(DIGITS - 1))
      if (digit !== 0) sum = add(sum, row[digit] ?? INFINITY, curve)
    }
  }
  const z = mod(sum.z, curve.p)
  return z === 0n ? null : mod(sum.x * inverse(z, curve.p), curve.p)
}

/** Whether a point is on the curve, and its coordinates within the field. */
export function isOnCurve(x: bigint, y: bigint, { p, a, b }: Curve): boolean {
  return x >= 0n && x < p && y >= 0n && y < p && mod(y * y - (x * x * x + a * x + b), p) === 0n
}

/** The inverse modulo a prime, by Euclid's extended algorithm. */
export function inverse(value: bigint, modulus: bigint): bigint {
  let [r, s] = [modulus, mod(value, modulus)]
  let [t, u] = [0n, 1n]
  while (s !== 0n) {
    const quotient = r / s
    ;[r, s] = [s, r - quotient * s]
    ;[t, u] = [u, t - quotient * u]
  }
  return mod(t, modulus)
}
