import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import type { Plugin } from 'rolldown'

/** Calls in npm packages that read .proto files beside the package, what they read, and whether names stay as they are in it. */
const READERS = [
  {
    module: 'grpc-health-check/build/src/health.js',
    call: "(0, proto_loader_1.loadSync)('health/v1/health.proto', ",
    file: '../../proto/health/v1/health.proto',
    keepCase: true,
  },
  {
    module: '@grpc/reflection/build/src/implementations/reflection-v1.js',
    call: 'protoLoader.loadSync(protoPath, ',
    file: '../../proto/grpc/reflection/v1/reflection.proto',
    keepCase: false,
  },
  {
    module: '@grpc/reflection/build/src/implementations/reflection-v1alpha.js',
    call: 'protoLoader.loadSync(protoPath, ',
    file: '../../proto/grpc/reflection/v1alpha/reflection.proto',
    keepCase: false,
  },
] as const

/**
 * Has these packages take the definitions of their services from their own text instead of a file.
 *
 * @throws Error when a package no longer looks as it did
 */
export function definitionsInside(): Plugin {
  return {
    name: 'definitions-inside',
    transform(code, id) {
      const reader = READERS.find(({ module }) => id.endsWith(`/${module}`))
      if (reader === undefined) return null
      const parts = code.split(reader.call)
      if (parts.length !== 2) throw new Error(`${reader.module} does not read its definitions as expected`)
      const loader = reader.call.startsWith('(') ? 'proto_loader_1' : 'protoLoader'
      const definitions = JSON.stringify(parsed(join(id, '..', reader.file), reader.keepCase))
      return { code: parts.join(`${loader}.fromJSON(${definitions}, `), map: null }
    },
  }
}

function parsed(file: string, keepCase: boolean): object {
  return protobuf.parse(readFileSync(file, 'utf8'), { keepCase }).root.resolveAll().toJSON()
}
