/** A response frame: tag, size (right unless another is given), code, and a body in hexadecimal. */
export function frame(tag: number, rc: number, body: string, size = 10 + body.length / 2): Buffer {
  const head = Buffer.alloc(10)
  head.writeUInt16BE(tag, 0)
  head.writeUInt32BE(size, 2)
  head.writeUInt32BE(rc, 6)
  return Buffer.concat([head, Buffer.from(body, 'hex')])
}
