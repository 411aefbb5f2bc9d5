import type { List } from "./cursor";
import { safely } from "./observable";
import { position, seqOf, type Answer, type Audit, type Commit, type Delta, type Failure, type Request } from "../wire/frames";

/** Sends a request. If the connection is lost first, there is no answer. */
type Send = (request: Request, answered: (answer: Answer) => void) => void;

/** Lists keeps a store's lists open and current. Several lists may share one cursor number of the server. */
export class Lists {
  /** The changed lists whose subscribers were not notified yet. */
  readonly changed = new Set<List>();

  /** All lists of the store. */
  readonly all = new Set<List>();

  readonly #send: Send;
  readonly #byNumber = new Map<number, Set<List>>();
  readonly #retries = new Set<ReturnType<typeof setTimeout>>(); // of lists that may be opened again
  #opensPending = 0; // unanswered open requests
  #online = false;
  #epoch = "";
  #seq = 0; // of the last commit on this connection

  constructor(send: Send) {
    this.#send = send;
  }

  add(list: List): void {
    this.all.add(list);
    if (this.#online) this.#request(list);
  }

  remove(list: List): void {
    this.all.delete(list);
    this.changed.delete(list);
    for (const lists of this.#byNumber.values()) if (lists.delete(list)) this.#saveSince(list);
    list.stale = true;
    this.#closeUnused();
  }

  /** Opens all lists on a new connection. They resume, or start over if fresh. */
  connected(epoch: string, fresh: boolean): void {
    this.#online = true;
    this.#epoch = epoch;
    this.#seq = 0;
    for (const list of this.all) {
      if (fresh) list.since = "";
      this.#request(list);
    }
  }

  disconnected(): void {
    this.#online = false;
    this.linkChanged();
    for (const list of this.all) {
      if (!list.stale) this.changed.add(list);
      list.stale = true;
    }
  }

  /** Prepares for a new link of the connection. No list is open on it yet. */
  linkChanged(): void {
    this.#opensPending = 0;
    this.#retries.forEach(clearTimeout);
    this.#retries.clear();
    for (const lists of this.#byNumber.values()) lists.forEach(list => this.#saveSince(list));
    this.#byNumber.clear();
  }

  commit(frame: Commit): void {
    this.#seq = frame.seq;
    // Resolve the current numbers first: a delta may give a number to another cursor.
    const touched = Object.entries(frame.cursors ?? {}).map(([key, delta]) => {
      const number = Number(key);
      const lists = [...(this.#byNumber.get(number) ?? [])];
      if (delta.to || delta.closed) this.#byNumber.delete(number);
      return { lists, delta };
    });
    for (const { lists, delta } of touched) {
      const current = lists.filter(list => this.#apply(list, delta, frame));
      if (delta.to && !delta.closed) this.#assign(delta.to, current);
    }
    this.#closeUnused();
  }

  /** Returns the checksum of a cursor, chosen at random. There is none while an open is unanswered. */
  audit(): Audit | undefined {
    const open = [...this.#byNumber].flatMap(([audit, lists]) => [...lists].map(list => ({ audit, list })));
    const chosen = open[Math.floor(Math.random() * open.length)];
    const sums = this.#opensPending > 0 ? undefined : chosen?.list.checksums();
    return chosen && sums && { audit: chosen.audit, seq: Math.max(chosen.list.seq, this.#seq), ...sums };
  }

  /** Applies a change to a list. Returns false if the list failed to show it, and is read again. */
  #apply(list: List, delta: Delta, frame: Commit): boolean {
    if (frame.seq <= list.seq) return true;
    list.seq = frame.seq;
    const applied = safely(() => list.apply(delta, frame));
    if (delta.closed) this.#refuse(list, delta.closed);
    else if (!applied) this.#readAgain(list);
    this.changed.add(list);
    return applied;
  }

  /** Reads a list from the beginning, instead of what could not be applied to it. */
  #readAgain(list: List): void {
    for (const lists of this.#byNumber.values()) lists.delete(list);
    list.stale = true;
    list.since = "";
    this.#request(list);
  }

  #request(list: List): void {
    this.#opensPending++;
    const since = list.since ? { since: list.since } : {};
    this.#send({ ...list.request, ...since }, answer => {
      this.#opensPending--;
      this.#answered(list, answer);
      this.#closeUnused();
    });
  }

  #answered(list: List, answer: Answer): void {
    const kept = this.all.has(list);
    if (answer.cursor) this.#assign(answer.cursor, kept ? [list] : []);
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
    list.seq = seqOf(answer.at ?? "");
    const { delta } = answer;
    if (!delta) safely(() => list.replace(answer));
    else if (!safely(() => list.apply(delta, answer))) this.#readAgain(list);
  }

  #assign(number: number, lists: List[]): void {
    this.#byNumber.set(number, new Set([...(this.#byNumber.get(number) ?? []), ...lists]));
  }

  #refuse(list: List, error: Failure): void {
    list.stale = true;
    list.error = error;
    list.since = "";
    if (error.retryAfter) this.#retry(list, error.retryAfter);
  }

  /** Opens a list again after so many seconds, unless another link does so before. */
  #retry(list: List, seconds: number): void {
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      if (this.all.has(list)) this.#request(list);
    }, (seconds + Math.random()) * 1000);
    this.#retries.add(timer);
  }

  /** Sets the position to resume from. Frames arrive in order, so an open list contains the last commit. */
  #saveSince(list: List): void {
    list.seq = Math.max(list.seq, this.#seq);
    list.since = position(this.#epoch, list.seq);
  }

  /**
   * Closes the cursor numbers that no list uses. It waits for unanswered open
   * requests, because their answers may name such a number.
   */
  #closeUnused(): void {
    if (this.#opensPending > 0) return;
    for (const [number, lists] of this.#byNumber) {
      if (lists.size > 0) continue;
      this.#byNumber.delete(number);
      this.#send({ close: number }, () => {});
    }
  }
}
