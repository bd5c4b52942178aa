/** What holds for every command, for the reference and for the manual page of `writ`. */

export const EXIT_STATUSES: readonly (readonly [status: string, meaning: string])[] = [
  ['0', 'Done; what was asked is verified.'],
  [
    '1',
    'Denied, not verified, or it could not be carried out; what a command is asked to judge is malformed.',
  ],
  ['2', 'Wrong use, or other input that is malformed or missing. Nothing was done.'],
  ['other', "The program's own, of `writ run` alone; 128 + N if signal N ended it."],
]

export const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ['WRIT_SOCKET', "The daemon's socket, where --socket is not given."],
  ['NO_COLOR', 'Not empty: no colours. There are none either where the output is no terminal.'],
]

export const JSON_CONVENTIONS =
  'With --json the result is one JSON value on standard output, or, where the reference says "in each line", one for each ' +
  'item as it comes. Fields are only ever added. "text" is a string, "decimal" a whole number of up to 64 bits as a string of digits, "hex" bytes and ' +
  '"digest" a SHA-256 in lower-case hexadecimal, "time" RFC 3339 in UTC, "json" any value; a digest or a time that does not exist is an empty string.'

export const JSON_ERRORS =
  'An error is one JSON value on standard error: {"error": {"code", "message", "at", "next"}}. "at" names the file, field or ' +
  'path that it is about and "next" what can be done; either may be missing. What the daemon refuses has its code as "cause". A denial has "code" DENIED, and beside it "reasons" ' +
  '({"code", "message", "at"}) and "decisionIndex", its entry in the lineage.'
