/**
 * The schema that the project ships, and that every bundle's schema has to agree with: a bundle may add attributes and
 * entity types of its own, but a request as `policy/request.ts` builds it must be valid under it.
 *
 * Everything outside `request` and `advisory` is attested, known from the kernel, or signed. `request` is what the caller asks for;
 * what is in `advisory` can be made up by whoever runs as the caller's user, and no `permit` may look at it.
 */
export const DEFAULT_SCHEMA = `namespace Writ {
  // Sets that a bundle's entities may define.
  entity Group in [Group];
  entity Programs in [Programs];

  // A systemd unit, by name, from the caller's cgroup.
  entity Unit;
  // A user of the host, by decimal uid. In the unit that the request came from.
  entity User in [Group, Unit];
  // A running execution that asks for a child, by id. In the user that it runs as, and in its own ancestors.
  entity Execution in [User, Group, Execution];
  // A program, by the SHA-256 of the bytes that will run. Its labels are those that the bundle's entities give it.
  entity Program in [Programs] { path: String, labels: Set<String> };

  // What the evidence is worth, claim by claim: AR4SI (draft-ietf-rats-ar4si-08, section 2.3). 2 to 31 affirms, 32 to 95 warns, 96 and
  // above contraindicates, 0 and 1 say nothing. Below zero the same with the sign reversed.
  type Claims = {
    instanceIdentity: Long, configuration: Long, executables: Long, fileSystem: Long, hardware: Long, runtimeOpaque: Long,
    storageOpaque: Long, sourcedData: Long,
  };

  type Facts = {
    // Milliseconds since 1970-01-01T00:00:00Z.
    now: Long,
    // The host by the Name of its attestation key, and the labels that the operator signed for it.
    host: String,
    hostLabels: Set<String>,
    // cgroup is the caller's, empty if it is not known.
    caller: { uid: Long, gid: Long, cgroup: String },
    // tier is "hardware", "simulated" or "unknown".
    // ageMs is rounded up to the next tenth of a second.
    // resetCount is the TPM's: it names one boot of the host.
    attestation: { tier: String, ageMs: Long, referenceValues: String, resetCount?: Long, claims: Claims },
    // kind is "signed", "minted" or "none" (a request to mint).
    // approvers and requester are the holders of the keys, as the trust roots name them; requester is empty if there is none.
    artifact: {
      kind: String, issuer: String, id: String, digest: String, keys: Set<String>, approvers: Set<String>, requester: String,
    },
    // Digests of the other files of the closure.
    files: Set<String>,
    // The executions above: the one that asks, its own parent, and so on. depth is their number, programs are digests.
    parents: { depth: Long, executions: Set<String>, programs: Set<String> },
    request: {
      argv: Set<String>,
      // The same in order, as JSON text: joined by spaces, two vectors could read alike.
      argvJson: String,
      // Names of the variables.
      environment: Set<String>,
      cwd: String,
      // "own", or a decimal uid.
      user: String,
      // "none", "loopback" or "host"; "default" or "strict".
      network: String,
      seccomp: String,
      writable: Set<String>,
      // Names of classes of devices.
      devices: Set<String>,
      // Names of the secrets that it is handed.
      secrets: Set<String>,
      children: Bool,
      // Whether it outlives the call that starts it.
      detach: Bool,
      limits: {
        runTimeMs?: Long, memoryBytes?: Long, pids?: Long, cpuSeconds?: Long, openFiles?: Long, outputBytes?: Long,
        cpuPercent?: Long, fileBytes?: Long,
      },
    },
    // Not to be believed: whoever runs as the caller's user can make it up. Only a forbid may look at it.
    // program is the SHA-256 of the caller's executable, empty if it is not known.
    advisory: { program: String },
  };

  action Execute, Authorize appliesTo {
    principal: [User, Execution],
    resource: [Program],
    context: Facts,
  };
}
`
