import { fileURLToPath } from 'node:url'

/** Where the daemon looks for its configuration unless it is told. */
export const DEFAULT_CONFIG = '/etc/writ/writd.toml'

/** The configuration files as they are shipped, with every key and its default explained. */
export const SHIPPED = {
  writd: fileURLToPath(new URL('../../packaging/writd.toml', import.meta.url)),
  launchd: fileURLToPath(new URL('../../packaging/launchd.conf', import.meta.url)),
} as const
