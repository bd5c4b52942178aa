import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { hostId } from '../../../attestation/tpm2/provision/index.ts'
import { readPublicIdentity } from '../../host.ts'
import { type ProvisionOptions, provisionThisHost } from '../../provision.ts'
import { readOwner, type StatePlaces, statePath } from '../../state-directory.ts'
import type { Answers } from '../answers.ts'
import { done, type Step, skipped, toDo } from '../step.ts'

/** Where identity and secrets are, as the commands' options have it. */
export function statePlaces({ places }: Answers): StatePlaces {
  const { state_directory, credentials } = places
  return { stateDir: state_directory, ...(credentials === undefined ? {} : { credentials }) }
}

/** As `writ init`. */
export const identity: Step = {
  name: 'identity',
  title: 'identity',
  why: 'The host signs with a key that only its TPM has, and counts in the TPM so that its log cannot be put back.',
  async look({ answers, stage, probes }) {
    if (stage === 'image') return skipped('made at the first boot: it is of one TPM')
    const { state_directory } = answers.places
    const directory = statePath(state_directory, 'identity')
    const owner = readOwner(answers.daemon.user)
    const options: ProvisionOptions = {
      user: answers.daemon.user,
      tpm: answers.tpm.where,
      ...statePlaces(answers),
      ...(answers.tpm.owner_auth_env === undefined ? {} : { ownerAuthEnv: answers.tpm.owner_auth_env }),
      ...(answers.tpm.endorsement_auth_env === undefined
        ? {}
        : { endorsementAuthEnv: answers.tpm.endorsement_auth_env }),
    }
    // It is given to the daemon's user last of all.
    const complete = existsSync(join(directory, 'identity.json')) && lstatSync(directory).uid === owner.uid
    if (complete) {
      // A daemon that runs has held the TPM against it; else that is done here, and nothing is written.
      const running = (await probes.daemon.status()).seen
      const id = running
        ? hostId(await readPublicIdentity(state_directory))
        : (await provisionThisHost(options)).id
      return done([`host           ${id}`])
    }
    return toDo(
      [
        'make an attestation key and a counter in the TPM',
        `make ${state_directory} for the user ${answers.daemon.user}, with the start of the log`,
      ],
      async () => {
        const made = await provisionThisHost(options)
        const { ownerAuthSet, endorsementAuthSet } = made.identity.hierarchies
        return {
          did: [
            `host           ${made.id}`,
            `state          ${made.stateDirectory}, of uid ${made.owner.uid}`,
            ...(made.credentials === null ? [] : [`secrets        ${made.credentials}, of root`]),
          ],
          warnings:
            ownerAuthSet && endorsementAuthSet
              ? []
              : [
                  'the owner or endorsement hierarchy of the TPM has no authValue: root alone is between it and others',
                ],
        }
      },
    )
  },
}
