import type { Failure } from "./frames";

/** What went wrong, for a program (code) and for a person (message). */
export class TowerError extends Error {
  override readonly name = "TowerError";
  readonly code: string;

  constructor({ code, message }: Failure) {
    super(message);
    this.code = code;
  }
}
