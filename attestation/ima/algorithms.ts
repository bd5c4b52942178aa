/**
 * The hashes that the kernel can name, in the order of `enum hash_algo` (include/uapi/linux/hash_info.h; names and sizes in
 * crypto/hash_info.c). A signature names its hash by the place in this list.
 */
const KERNEL_HASHES = [
  ['md4', 16],
  ['md5', 16],
  ['sha1', 20],
  ['rmd160', 20],
  ['sha256', 32],
  ['sha384', 48],
  ['sha512', 64],
  ['sha224', 28],
  ['rmd128', 16],
  ['rmd256', 32],
  ['rmd320', 40],
  ['wp256', 32],
  ['wp384', 48],
  ['wp512', 64],
  ['tgr128', 16],
  ['tgr160', 20],
  ['tgr192', 24],
  ['sm3', 32],
  ['streebog256', 32],
  ['streebog512', 64],
  ['sha3-256', 32],
  ['sha3-384', 48],
  ['sha3-512', 64],
] as const

const SIZES: ReadonlyMap<string, number> = new Map<string, number>([
  ...KERNEL_HASHES,
  // The name until Linux 5.17.
  ['sm3-256', 32],
])

/** Bytes of a digest by the hash's name in `d-ng`, or undefined for a name that no kernel has. */
export function kernelHashSize(name: string): number | undefined {
  return SIZES.get(name)
}

/** Name and digest size of the hash with this number in `enum hash_algo`. */
export function kernelHash(number: number): { readonly name: string; readonly size: number } | undefined {
  const [name, size] = KERNEL_HASHES[number] ?? []
  return name === undefined || size === undefined ? undefined : { name, size }
}

/** The number of a hash in `enum hash_algo`, or undefined. */
export function kernelHashNumber(name: string): number | undefined {
  const wanted = name === 'sm3-256' ? 'sm3' : name
  const number = KERNEL_HASHES.findIndex(([known]) => known === wanted)
  return number < 0 ? undefined : number
}

/** The same hash under the name that OpenSSL has for it; not every OpenSSL has every one. */
export function opensslHash(kernelName: string): string {
  if (kernelName === 'sm3-256') return 'sm3'
  return kernelName === 'rmd160' ? 'ripemd160' : kernelName
}
