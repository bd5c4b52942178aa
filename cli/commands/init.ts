import type { Command } from 'commander'
import type { HostIdentity } from '../../attestation/tpm2/index.ts'
import { addCommand, setAction } from '../command.ts'
import { setUsualUmask } from '../files.ts'
import { styled } from '../output.ts'
import { type ProvisionOptions, provisionThisHost } from '../provision.ts'
import { addStateOptions } from '../state-directory.ts'
import { addTpmOption } from '../tpm.ts'
import { TPM_ADVICE } from '../tpm-advice.ts'

export function addInit(program: Command): void {
  const command = addCommand(
    program,
    'init',
    'Give this host its identity: attestation key and counter in the TPM, state directory for the daemon. Can be repeated; nothing is overwritten.',
    `writ init --user writ
     writ init --user 64000:64000 --state-dir /srv/writ --tpm swtpm:/run/swtpm/tpm.sock`,
    {
      created: 'boolean: false if the host had its identity already',
      hostId: 'hex',
      tier: 'text',
      stateDirectory: 'text',
      'credentials|null': 'text: where the secrets are, if not in the state directory',
      madeState: 'boolean: whether the state directory was made',
      hierarchies: {
        ownerAuthSet: 'boolean',
        endorsementAuthSet: 'boolean',
        lockoutAuthSet: 'boolean',
        inLockout: 'boolean',
      },
      vendor: {
        manufacturer: 'text',
        vendorString: 'text',
        firmwareVersion: 'decimal',
        revision: 'number: of the TPM specification, times 100',
      },
    },
  )
    .requiredOption('--user <name|uid[:gid]>', 'the user that the daemon runs as')
    .option('--owner-auth-env <name>', "environment variable with the owner hierarchy's authValue")
    .option(
      '--endorsement-auth-env <name>',
      "environment variable with the endorsement hierarchy's authValue",
    )
  addStateOptions(command)
  addTpmOption(command)
  setAction<ProvisionOptions>(command, async ({ options, output }) => {
    setUsualUmask()
    const host = await provisionThisHost(options)
    const { identity, created, madeState, id, owner, stateDirectory, credentials } = host
    const { hierarchies } = identity
    output.result(
      {
        created,
        hostId: id,
        tier: host.tier,
        stateDirectory,
        credentials,
        madeState,
        hierarchies,
        vendor: identity.vendor,
      },
      () => [
        created
          ? 'this host has an identity now'
          : 'this host has its identity already; the TPM still is the same',
        `host         ${id}`,
        `TPM          ${styled('bold', host.tier)}, says ${identity.vendor.manufacturer} ${identity.vendor.vendorString}`,
        `EK           ${identity.ekCertificate === null ? styled('yellow', 'without a certificate: nobody can tell this TPM from a program') : `certificate and ${identity.ekIntermediates.length} intermediate certificates in the TPM`}`,
        ...hierarchyLines(hierarchies),
        `state        ${stateDirectory}, of uid ${owner.uid}`,
        ...(credentials === null ? [] : [`secrets      ${credentials}, of root`]),
      ],
    )
    return undefined
  })
}

function hierarchyLines(hierarchies: HostIdentity['hierarchies']): string[] {
  const say = (set: boolean) => (set ? 'has an authValue' : styled('yellow', 'has no authValue'))
  return [
    `hierarchies  owner ${say(hierarchies.ownerAuthSet)}, endorsement ${say(hierarchies.endorsementAuthSet)}, lockout ${say(hierarchies.lockoutAuthSet)}`,
    ...(hierarchies.lockoutAuthSet
      ? []
      : [`             Whoever reaches the TPM can clear it. Set one: ${TPM_ADVICE.setLockoutAuth}`]),
    ...(hierarchies.inLockout
      ? [styled('red', '             The TPM is in dictionary attack lockout.')]
      : []),
  ]
}
