import type { List } from "./cursor";
import { safely } from "./observable";
import { position, seqOf, type Answer, type Commit, type Delta, type Failure, type Request } from "../wire/frames";

/** Sends a request. It is not answered when the connection is lost first. */
type Ask = (request: Request, answered: (answer: Answer) => void) => void;

/** Lists are what a store keeps current. One number of the server's may stand for several of them. */
export class Lists {
  /** Those that have changed and have not told it yet. */
  readonly changed = new Set<List>();

  /** All of them. */
  readonly kept = new Set<List>();

  readonly #ask: Ask;
  readonly #open = new Map<number, Set<List>>();
  #opening = 0; // opens that have not been answered
  #online = false;
  #epoch = "";
  #seq = 0; // of the last commit on this connection

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  keep(list: List): void {
    this.kept.add(list);
    if (this.#online) this.#request(list);
  }

  release(list: List): void {
    this.kept.delete(list);
    this.changed.delete(list);
    for (const lists of this.#open.values()) if (lists.delete(list)) this.#leave(list);
    list.stale = true;
    this.#closeUnheld();
  }

  /** Opens all of them on a new connection, where they left off or, if anew, from the start. */
  greet(epoch: string, anew: boolean): void {
    this.#online = true;
    this.#epoch = epoch;
    this.#seq = 0;
    for (const list of this.kept) {
      if (anew) list.since = "";
      this.#request(list);
    }
  }

  lost(): void {
    this.#online = false;
    this.moved();
    for (const list of this.kept) {
      if (!list.stale) this.changed.add(list);
      list.stale = true;
    }
  }

  /** The connection goes on over another link, on which nothing is open yet. */
  moved(): void {
    this.#opening = 0;
    for (const lists of this.#open.values()) lists.forEach(list => this.#leave(list));
    this.#open.clear();
  }

  commit(frame: Commit): void {
    this.#seq = frame.seq;
    // First all that the numbers mean now, as a delta may give one to another cursor.
    const touched = Object.entries(frame.cursors ?? {}).map(([key, delta]) => {
      const number = Number(key);
      const lists = [...(this.#open.get(number) ?? [])];
      if (delta.to || delta.closed) this.#open.delete(number);
      return { lists, delta };
    });
    for (const { lists, delta } of touched) {
      for (const list of lists) this.#apply(list, delta, frame);
      if (delta.to && !delta.closed) this.#hold(delta.to, lists);
    }
    this.#closeUnheld();
  }

  #apply(list: List, delta: Delta, frame: Commit): void {
    if (frame.seq <= list.at) return;
    list.at = frame.seq;
    safely(() => list.apply(delta, frame));
    if (delta.closed) this.#refuse(list, delta.closed);
    this.changed.add(list);
  }

  #request(list: List): void {
    this.#opening++;
    const since = list.since ? { since: list.since } : {};
    this.#ask({ ...list.request, ...since }, answer => {
      this.#opening--;
      this.#answered(list, answer);
      this.#closeUnheld();
    });
  }

  #answered(list: List, answer: Answer): void {
    const kept = this.kept.has(list);
    if (answer.cursor) this.#hold(answer.cursor, kept ? [list] : []);
    if (!kept) return;
    this.changed.add(list);
    if (answer.error) {
      this.#refuse(list, answer.error);
      if (answer.status === 401 || answer.status === 403) safely(() => list.replace(answer));
      return;
    }
    list.stale = false;
    list.error = null;
    list.model = answer.model ?? "";
    list.at = seqOf(answer.at ?? "");
    safely(() => (answer.delta ? list.apply(answer.delta, answer) : list.replace(answer)));
  }

  #hold(number: number, lists: List[]): void {
    this.#open.set(number, new Set([...(this.#open.get(number) ?? []), ...lists]));
  }

  #refuse(list: List, error: Failure): void {
    list.stale = true;
    list.error = error;
    list.since = "";
  }

  /** All frames of a connection came in order, so an open list reflects the last of them. */
  #leave(list: List): void {
    list.at = Math.max(list.at, this.#seq);
    list.since = position(this.#epoch, list.at);
  }

  /**
   * Closes the numbers that no list has. It waits for the opens under way: the
   * server may answer one with such a number.
   */
  #closeUnheld(): void {
    if (this.#opening > 0) return;
    for (const [number, lists] of this.#open) {
      if (lists.size > 0) continue;
      this.#open.delete(number);
      this.#ask({ close: number }, () => {});
    }
  }
}
