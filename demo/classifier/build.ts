import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

/** Strict and reproducible: without contraction, every x86-64 and arm64 machine computes the same weights. */
const FLAGS = '-std=c17 -D_DEFAULT_SOURCE -O2 -ffp-contract=off -Wall -Wextra -Werror -Wconversion -Wshadow'

/**
 * Compiles the digit classifier to a dynamically linked executable.
 *
 * @param output where the executable is written
 */
export async function buildClassifier(output: string): Promise<void> {
  const source = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  await execa('gcc', [
    ...FLAGS.split(' '),
    '-o',
    output,
    source('main.c'),
    source('network.c'),
    source('digits.c'),
    '-lm',
  ])
}
