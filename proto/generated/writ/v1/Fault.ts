// Original file: writ/v1/error.proto


/**
 * Detail of an error: the request could not be carried out for another reason than a decision on it.
 */
export interface FaultInput {
  /**
   * A code of the room that raised the error, such as `BAD_JSON`; stable within a version.
   */
  'code'?: (string);
  /**
   * The same for a person.
   */
  'message'?: (string);
  /**
   * Where in the input: a field path, an offset; empty if the whole is meant.
   */
  'at'?: (string);
}

/**
 * Detail of an error: the request could not be carried out for another reason than a decision on it.
 */
export interface Fault {
  /**
   * A code of the room that raised the error, such as `BAD_JSON`; stable within a version.
   */
  'code': (string);
  /**
   * The same for a person.
   */
  'message': (string);
  /**
   * Where in the input: a field path, an offset; empty if the whole is meant.
   */
  'at': (string);
}
