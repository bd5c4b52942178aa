/** Random numbers that a seed gives again: xorshift128+ on 32-bit halves would be slower than this (xorshift32, Marsaglia 2003). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0 || 0x9e37_79b9
  }

  /** 32 random bits. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** From 0 to below `end`; 0 for an `end` of 0. */
  below(end: number): number {
    return end <= 1 ? 0 : this.next() % end
  }

  /** True once in `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}
