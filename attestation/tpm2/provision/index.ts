/** Giving a host its identity, which happens once. What the daemon reads of it is on the face of `tpm2/`. */
export { findCertificate, type HierarchyAuths, readChain } from './endorsement-key.ts'
export { ProvisionError, type ProvisionErrorCode } from './error.ts'
export { type HostIdentity, type HostSecrets, hostId, newSecrets } from './host-identity.ts'
export { readIdentity, writeIdentity } from './identity-files.ts'
export { checkIdentity, type ProvisionOptions, provision, provisionHost } from './provision.ts'
