import type { Failure, Problems } from "./frames";

/** An error with a code for programs and a message for people. */
export class TowerError extends Error {
  override readonly name = "TowerError";
  readonly code: string;
  /** After how many seconds the request may be sent again; 0 if that is not known. */
  readonly retryAfter: number;
  /** The id by which the server's log names the request; undefined if the error says everything. */
  readonly request: string | undefined;

  /** Messages by field name, for an input that is not valid. */
  readonly problems: Problems;

  constructor({ code, message, retryAfter = 0, request, problems = {} }: Failure) {
    super(message);
    this.code = code;
    this.problems = problems;
    this.retryAfter = retryAfter;
    this.request = request;
  }
}
