import { malformed, tooLarge } from '../error.ts'
import { type Slice, SliceReader } from '../slice.ts'
import { ACPI_NODES } from './acpi.ts'
import { HARDWARE_NODES } from './hardware.ts'
import { MEDIA_NODES } from './media.ts'
import { MESSAGING_NODES } from './messaging.ts'
import { NETWORK_NODES } from './network.ts'
import { END_ENTIRE, END_INSTANCE, type NodeReader, nodeKey, TYPE } from './node.ts'

/** One node, in the text form of UEFI 2.10, section 10.6. */
export interface DevicePathNode {
  readonly type: number
  readonly subType: number
  readonly text: string
}

/** An EFI_DEVICE_PATH_PROTOCOL (UEFI 2.10, section 10.2): how firmware found a device or a file. */
export interface DevicePath {
  readonly text: string
  readonly nodes: readonly DevicePathNode[]
  /** The file that its file path nodes name, null without one. */
  readonly file: string | null
}

/** More nodes than any path has; real ones have up to about twelve. */
const MAX_NODES = 128
const HEADER_BYTES = 4

const READERS: ReadonlyMap<number, NodeReader> = new Map([
  ...HARDWARE_NODES,
  ...ACPI_NODES,
  ...MESSAGING_NODES,
  ...NETWORK_NODES,
  ...MEDIA_NODES,
])
const FILE_PATH = nodeKey(TYPE.media, 4)

/**
 * Reads one device path, which has to end where the bytes do. Nodes follow one another and do not nest, so length and count bound it.
 *
 * @throws EventDataError, EncodingError
 */
export function readDevicePath(slice: Slice): DevicePath {
  const paths = readDevicePaths(slice)
  const [first] = paths
  if (first === undefined || paths.length !== 1) throw malformed(`${paths.length} device paths`, slice.start)
  return first
}

/** Reads a packed array of device paths, such as the FilePathList of a load option; none in no bytes. */
export function readDevicePaths(slice: Slice): readonly DevicePath[] {
  const reader = new SliceReader(slice, 'EFI_DEVICE_PATH_PROTOCOL')
  const paths: DevicePath[] = []
  let left = MAX_NODES
  while (reader.remaining > 0) {
    const nodes: DevicePathNode[] = []
    while (true) {
      if (left-- === 0) throw tooLarge(`more than ${MAX_NODES} nodes`, reader.position)
      const node = readNode(reader)
      if (node === 'end') break
      nodes.push(node)
    }
    paths.push({ text: pathText(nodes), nodes, file: fileOf(nodes) })
  }
  return paths
}

function readNode(reader: SliceReader): DevicePathNode | 'end' {
  const at = reader.position
  const type = reader.u8('Type')
  const subType = reader.u8('SubType')
  const length = reader.u16le('Length')
  if (length < HEADER_BYTES) throw malformed(`a device path node of ${length} bytes`, at)
  const data = reader.slice(length - HEADER_BYTES, 'device path node')
  if (type === TYPE.end && subType === END_ENTIRE) {
    if (data.bytes.length !== 0) throw malformed('an end of a device path that holds data', at)
    return 'end'
  }
  return { type, subType, text: nodeText(type, subType, data) }
}

/** A node that is not as long as its kind has to be reads like one that nobody knows: as its bytes. */
function nodeText(type: number, subType: number, data: Slice): string {
  return (
    READERS.get(nodeKey(type, subType))?.(data.bytes) ??
    `Path(${type},${subType},${data.bytes.toString('hex')})`
  )
}

/** Nodes are joined with `/`, instances with `,`. */
function pathText(nodes: readonly DevicePathNode[]): string {
  return nodes
    .map((node, i) => {
      if (node.type === TYPE.end && node.subType === END_INSTANCE) return ','
      const before = nodes[i - 1]
      return i > 0 && before?.type !== TYPE.end ? `/${node.text}` : node.text
    })
    .join('')
}

function fileOf(nodes: readonly DevicePathNode[]): string | null {
  const parts = nodes.filter(node => nodeKey(node.type, node.subType) === FILE_PATH).map(node => node.text)
  return parts.length === 0 ? null : parts.join('\\').replaceAll(/\\{2,}/g, '\\')
}
