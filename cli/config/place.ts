/** Where the daemon looks for its configuration unless it is told. */
export const DEFAULT_CONFIG = '/etc/writ/writd.toml'
