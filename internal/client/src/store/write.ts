import { TowerError } from "../wire/error";
import type { Effect } from "./overlay";
import type { Result } from "../wire/result";
import type { Answer, Call, Failure } from "../wire/frames";

/** A write as it is kept until it has been answered. */
export type StoredWrite = Call & {
  readonly effects: readonly Effect[];
  /** Which page, or program, has it: see Queue. */
  readonly session: string;
  /** Whose it is: "" a visitor's, null of whom the server has not named yet. */
  user: string | null;
  /** When it was sent first. */
  first?: number;
  /** Why the server has refused it. */
  error?: Failure;
  /** What is of use to who shows it. */
  readonly note?: Note;
};

/** What a page remembers of a form. */
export interface Note {
  readonly page: string;
  readonly text: string;
}

/** A write that was refused, and that nobody waited for. */
export type Refused = StoredWrite & {
  readonly error: Failure;
  /** Sends it again, as another write. */
  retry(): Write;
  /** Takes it off the list. */
  dismiss(): void;
};

/**
 * A Write has happened on this client, and will happen on the server as soon as
 * that can be reached. Await it for the server's answer, which says as well what
 * was wrong with it. One that is refused while nobody waits for it is put on the
 * store's list of refused writes, until somebody does.
 */
export class Write<Out = unknown> implements PromiseLike<Result<Out>> {
  /** The call's key: a ULID that grows from write to write. */
  readonly key: string;

  /** The id of the record that it makes or changes; "" if it says of none. */
  readonly id: string;

  /** Whether somebody waits for it. */
  awaited = false;

  /** Takes it off the list of what nobody waited for. */
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
    this.#result.catch(() => {}); // who does not wait for it is not told
  }

  /** Tells who waits for it that its answer will not come here. */
  reject(code: string, message: string): void {
    this.fail(new TowerError({ code, message }));
    this.detach();
  }

  /** Waits for it no longer: if it is refused, it goes on the store's list. */
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
