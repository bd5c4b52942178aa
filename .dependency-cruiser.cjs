// The direction of imports (docs/decisions/0001-rooms.md). packaging/setup/check-imports.ts runs it and counts what was read.

/** A domain room is seen from outside through these files only; attestation has one face that needs a TPM and some that do not. */
const FACES = {
  attestation: ['attestation/index.ts'],
  tpm: ['attestation/tpm2/index.ts', 'attestation/tpm2/swtpm/index.ts'],
  provisioning: ['attestation/tpm2/provision/index.ts'],
  authorization: ['authorization/index.ts'],
  lineage: ['lineage/index.ts'],
  receipt: ['receipt/index.ts'],
  'sign-command': ['cli/sign-command.ts'],
}

/** What each room may import besides itself: whole rooms, and faces of domain rooms. */
const MAY_IMPORT = {
  encoding: { rooms: [], faces: [] },
  signing: { rooms: ['encoding'], faces: [] },
  attestation: { rooms: ['encoding', 'signing'], faces: [] },
  authorization: { rooms: ['encoding', 'signing'], faces: [] },
  lineage: { rooms: ['encoding', 'signing'], faces: ['attestation'] },
  receipt: { rooms: ['encoding', 'signing'], faces: ['authorization', 'lineage'] },
  proto: { rooms: ['encoding'], faces: [] },
  configuration: { rooms: ['encoding'], faces: [] },
  daemon: {
    rooms: ['encoding', 'signing', 'proto', 'configuration'],
    faces: ['attestation', 'tpm', 'authorization', 'lineage', 'receipt'],
  },
  cli: {
    rooms: ['encoding', 'signing', 'proto', 'configuration'],
    faces: ['attestation', 'tpm', 'provisioning', 'authorization', 'lineage', 'receipt'],
  },
  // The demo starts the real programs; it knows only the simulated TPM.
  demo: { rooms: ['encoding'], faces: ['tpm'] },
  // The programs that it puts into one executable are bundled by their paths, not imported.
  packaging: { rooms: ['encoding', 'signing'], faces: ['sign-command'] },
}

const quoted = path => path.replaceAll('.', '\\.')
/** Every room but those that may look into anything. */
const ROOMS = [...Object.keys(MAY_IMPORT), 'bench', 'test']

const directions = Object.entries(MAY_IMPORT).map(([room, { rooms, faces }]) => ({
  name: `${room}-imports-downward`,
  comment: `${room} may import: itself, ${[...rooms, ...faces.map(face => FACES[face].join(' or '))].join(', ')}`,
  severity: 'error',
  from: { path: `^${room}/` },
  to: {
    path: `^(?:${ROOMS.join('|')})/`,
    pathNot: [
      ...[room, ...rooms].map(name => `^${name}/`),
      ...faces.flatMap(face => FACES[face].map(file => `^${quoted(file)}$`)),
    ],
  },
}))

module.exports = {
  forbidden: [
    ...directions,
    {
      name: 'no-circular',
      comment: 'two modules that need each other are one module, or three',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'verifier-reaches-no-tpm',
      comment: 'the offline verifier cannot come to depend on a device',
      severity: 'error',
      from: { path: '^(?:attestation|authorization|lineage|receipt)/index\\.ts$' },
      to: { path: '^attestation/tpm2/(?!structures/)', reachable: true },
    },
    {
      name: 'base-rooms-need-no-package',
      severity: 'error',
      from: { path: '^(?:encoding|signing)/' },
      to: { path: 'node_modules' },
    },
    {
      name: 'only-declared-packages',
      comment: 'a package is in package.json, and a development one is used by tests and tools only',
      severity: 'error',
      from: { pathNot: '^(?:test|bench|packaging)/|^[^/]+$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(?:test/fixtures|native/build|build)/' },
    // Types are imports as well: a room that needs another's types needs that room.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
