/**
 * The schema that the project ships, and that every bundle's schema has to agree with: a bundle may add attributes and
 * entity types of its own, but a request as `policy/request.ts` builds it must be valid under it.
 *
 * Everything outside `request` is attested, known from the kernel, or signed. Only `request` is what the caller asks for.
 */
export const DEFAULT_SCHEMA = `namespace Writ {
  // Sets that a bundle's entities may define.
  entity Group;
  entity Programs;

  // A systemd unit, by name, from the caller's cgroup.
  entity Unit;
  // A user of the host, by decimal uid. In the unit that the request came from.
  entity User in [Group, Unit];
  // A running execution that asks for a child, by id. In the user that it runs as.
  entity Execution in [User, Group];
  // A program, by the SHA-256 of the bytes that will run.
  entity Program in [Programs] { path: String };

  type Facts = {
    // Milliseconds since 1970-01-01T00:00:00Z.
    now: Long,
    host: String,
    caller: { uid: Long, gid: Long },
    // tier is "hardware", "simulated" or "unknown".
    // ageMs is rounded up to the next tenth of a second.
    attestation: { tier: String, ageMs: Long, referenceValues: String },
    // kind is "signed", "minted" or "none" (a request to mint).
    artifact: { kind: String, issuer: String, id: String, digest: String, keys: Set<String> },
    // Digests of the other files of the closure.
    files: Set<String>,
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
      children: Bool,
      limits: {
        runTimeMs?: Long, memoryBytes?: Long, pids?: Long, cpuSeconds?: Long, openFiles?: Long, outputBytes?: Long,
        cpuPercent?: Long, fileBytes?: Long,
      },
    },
  };

  action Execute, Authorize appliesTo {
    principal: [User, Execution],
    resource: [Program],
    context: Facts,
  };
}
`
