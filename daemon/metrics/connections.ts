import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Bounds the connections of a server: a new one takes the place of the one that has been silent longest, so that whoever holds connections open and
 * says nothing keeps nobody from being served. One whose request is being answered keeps its place; where all are, the new one is turned away.
 */
export function boundConnections(server: Server, most: number): void {
  /** Without a request under way, longest silent first. */
  const idle = new Set<Socket>()
  const answering = new Set<Socket>()
  // What was pushed out counts until its descriptor is closed, a turn of the loop later.
  server.maxConnections = 2 * most
  server.on('connection', (socket: Socket) => {
    if (idle.size + answering.size >= most) {
      const [silent] = idle
      if (silent === undefined) {
        socket.destroy()
        return
      }
      idle.delete(silent)
      silent.destroy()
    }
    idle.add(socket)
    socket.on('data', () => {
      if (idle.delete(socket)) idle.add(socket)
    })
    socket.once('close', () => {
      idle.delete(socket)
      answering.delete(socket)
    })
  })
  server.on('request', ({ socket }) => {
    if (idle.delete(socket)) answering.add(socket)
  })
}
