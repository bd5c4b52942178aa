// Original file: writ/v1/lineage.proto


/**
 * Asks for the positions of a span of time. Entries stand in the order in which they became durable, which is that of their times as long as
 * the wall clock is not set: what stands between two entries of the span is in it, whatever its own time.
 */
export interface LocateEntriesRequestInput {
  /**
   * First instant: RFC 3339 in UTC with milliseconds. Empty: the beginning.
   */
  'since'?: (string);
  /**
   * Last instant. Empty: the end.
   */
  'until'?: (string);
}

/**
 * Asks for the positions of a span of time. Entries stand in the order in which they became durable, which is that of their times as long as
 * the wall clock is not set: what stands between two entries of the span is in it, whatever its own time.
 */
export interface LocateEntriesRequest {
  /**
   * First instant: RFC 3339 in UTC with milliseconds. Empty: the beginning.
   */
  'since': (string);
  /**
   * Last instant. Empty: the end.
   */
  'until': (string);
}
