import { TowerError } from "../wire/error";
import type { Effect } from "./overlay";
import type { Result } from "../wire/result";
import type { Answer, Call, Failure } from "../wire/frames";

/** A write as it is stored until the server has answered. */
export type StoredWrite = Call & {
  readonly effects: readonly Effect[];
  /** The session of the page or program that sends it: see Queue. */
  readonly session: string;
  /** The id of its user: "" for a visitor, null until the server has named the user. */
  user: string | null;
  /** The time of the first send. */
  first?: number;
  /** The reason for the refusal of the server. */
  error?: Failure;
  /** Describes the write in a list of unsent ones. */
  readonly note?: Note;
};

/** The page of a form, and a text that people recognize the form by. */
export interface Note {
  readonly page: string;
  readonly text: string;
}

/** A write that the server refused while no caller waited for it. */
export type Refused = StoredWrite & {
  readonly error: Failure;
  /** Sends it again, as a new write. */
  retry(): Write;
  /** Removes it from the list of refused writes. */
  dismiss(): void;
};

/**
 * A Write has taken effect on this client and is sent as soon as the server is
 * reachable. Await it for the server's answer, which includes problems. If the server
 * refuses a write that no caller awaits, the store lists it as refused until one does.
 */
export class Write<Out = unknown> implements PromiseLike<Result<Out>> {
  /** The key of the call: a ULID. Keys sort in the order of the writes. */
  readonly key: string;

  /** The id of the record it affects, or "". */
  readonly id: string;

  /** Whether a caller waits for the answer. */
  awaited = false;

  /** Removes it from the list of refused writes. */
  dismiss: (() => void) | undefined;

  tries = 0;
  saved: Promise<unknown> | undefined;
  settle!: (answer: Answer) => void;
  fail!: (error: unknown) => void;
  readonly #result: Promise<Result<Out>>;

  constructor(readonly stored: StoredWrite, finish: (answer: Answer) => Promise<Result<Out>>) {
    this.key = stored.key;
    this.id = stored.effects[0]?.id ?? "";
    const answer = new Promise<Answer>((settle, fail) => Object.assign(this, { settle, fail }));
    this.#result = answer.then(finish);
    this.#result.catch(() => {}); // a rejection without a handler is not an error
  }

  /** Rejects for all callers: the answer will not arrive here. */
  reject(code: string, message: string): void {
    this.fail(new TowerError({ code, message }));
    this.detach();
  }

  /** Stops waiting. If the server refuses it, it appears in the list of refused writes. */
  detach(): void {
    this.awaited = false;
  }

  then<A = Result<Out>, B = never>(
    done?: ((result: Result<Out>) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.awaited = true;
    this.dismiss?.();
    this.dismiss = undefined;
    return this.#result.then(done, failed);
  }
}
