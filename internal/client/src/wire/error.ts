import type { Failure } from "./frames";

/** An error with a code for programs and a message for people. */
export class TowerError extends Error {
  override readonly name = "TowerError";
  readonly code: string;

  constructor({ code, message }: Failure) {
    super(message);
    this.code = code;
  }
}
