import type { List } from "./cursor";
import { safely } from "./observable";
import { position, seqOf, type Answer, type Commit, type Delta, type Failure, type Request } from "../wire/frames";

/** Sends a request. It is not answered when the connection is lost first. */
type Send = (request: Request, answered: (answer: Answer) => void) => void;

/** Lists are what a store keeps current. One number of the server's may stand for several of them. */
export class Lists {
  /** Those that have changed and have not told it yet. */
  readonly changed = new Set<List>();

  /** All of them. */
  readonly all = new Set<List>();

  readonly #send: Send;
  readonly #byNumber = new Map<number, Set<List>>();
  #opensPending = 0; // opens that have not been answered
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

  /** Opens all of them on a new connection, where they left off or, if anew, from the start. */
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

  /** The connection goes on over another link, on which nothing is open yet. */
  linkChanged(): void {
    this.#opensPending = 0;
    for (const lists of this.#byNumber.values()) lists.forEach(list => this.#saveSince(list));
    this.#byNumber.clear();
  }

  commit(frame: Commit): void {
    this.#seq = frame.seq;
    // First all that the numbers mean now, as a delta may give one to another cursor.
    const touched = Object.entries(frame.cursors ?? {}).map(([key, delta]) => {
      const number = Number(key);
      const lists = [...(this.#byNumber.get(number) ?? [])];
      if (delta.to || delta.closed) this.#byNumber.delete(number);
      return { lists, delta };
    });
    for (const { lists, delta } of touched) {
      for (const list of lists) this.#apply(list, delta, frame);
      if (delta.to && !delta.closed) this.#assign(delta.to, lists);
    }
    this.#closeUnused();
  }

  #apply(list: List, delta: Delta, frame: Commit): void {
    if (frame.seq <= list.seq) return;
    list.seq = frame.seq;
    safely(() => list.apply(delta, frame));
    if (delta.closed) this.#refuse(list, delta.closed);
    this.changed.add(list);
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
    safely(() => (answer.delta ? list.apply(answer.delta, answer) : list.replace(answer)));
  }

  #assign(number: number, lists: List[]): void {
    this.#byNumber.set(number, new Set([...(this.#byNumber.get(number) ?? []), ...lists]));
  }

  #refuse(list: List, error: Failure): void {
    list.stale = true;
    list.error = error;
    list.since = "";
  }

  /** All frames of a connection came in order, so an open list reflects the last of them. */
  #saveSince(list: List): void {
    list.seq = Math.max(list.seq, this.#seq);
    list.since = position(this.#epoch, list.seq);
  }

  /**
   * Closes the numbers that no list has. It waits for the opens under way: the
   * server may answer one with such a number.
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
