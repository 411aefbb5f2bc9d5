// A client that writes at random until the storm ends, and then reports its contents.
// It runs in Node and in Chromium, and takes no notice of faults.

import type { Cursor } from "../src/store/cursor";
import type { TransportName } from "../src/net/transports";
import type { Store } from "../src/store/store";
import type { Row } from "../src/wire/frames";
import type { Refused, StoredWrite, Write } from "../src/store/write";
import { ulid } from "../src/wire/ulid";

export interface Chore extends Row {
  title: string;
  rank: number;
  done: boolean;
  shared: boolean;
}

const cursors: readonly [name: string, input?: object][] = [
  ["chores.all"], ["chores.first"], ["plain.mine"], ["plain.todo"], ["plain.second"], ["plain.ranked", { below: 3 }],
];

/** The transports of bots. */
export const transportLists: TransportName[][] = [["socket", "stream", "poll"], ["stream", "poll"], ["poll"]];

/** The title of the last record, which every client receives. */
const theEnd = "the end";

/** Returns a generator of random numbers. Equal seeds give equal numbers. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const sleep = (ms: number) => new Promise(done => setTimeout(done, ms));

export class Bot {
  readonly #store: Store;
  readonly #harness: string;
  readonly #pick: (below: number) => number;
  readonly #stored: (() => Promise<StoredWrite[]>) | undefined;
  readonly #held = new Map<string, Cursor<Chore>>();
  readonly #reports: Promise<unknown>[] = [];
  readonly #reported = new Set<Refused>();

  /** A bot with a database may be killed at any moment, so its store has to remember refused writes. */
  constructor(store: Store, harness: string, seed: number, stored?: () => Promise<StoredWrite[]>) {
    this.#stored = stored;
    this.#store = store;
    this.#harness = harness;
    this.#pick = random(seed);
    this.#open(0);
    store.refused.subscribe(refused => refused.forEach(one => void this.#refused(one)));
  }

  async run(): Promise<void> {
    while ((await this.#ask("phase")) === "storm") {
      await sleep(this.#pick(60));
      const { pending, durable } = this.#store.state;
      if (pending < 40 && durable === Boolean(this.#stored)) await this.#step();
    }
    let left = -1; // reported, so that the harness sees progress
    this.#store.subscribe(({ pending }) => pending !== left && this.#report("left", { pending: (left = pending) }));
    await this.#until(() => this.#store.state.online && this.#store.state.pending === 0);
    while (this.#stored) {
      const stored = await this.#stored(); // of this page, other tabs and earlier pages
      if (stored.every(({ error }) => error) && stored.length === this.#store.refused.value.length) break;
      await sleep(5);
    }
    await Promise.all(this.#reports);
    await this.#ask("drained");
    while (this.#held.size > 0) this.#close();
    cursors.forEach((_, i) => this.#open(i));
    const all = this.#held.get("chores.all")!;
    await this.#until(() => [...this.#held.values()].every(list => !list.stale) && all.records.some(({ title }) => title === theEnd));
    const holds = [...this.#held].map(([name, { records, pending }]) => [name, { records, pending: [...pending] }] as const);
    await this.#ask("holds", Object.fromEntries(holds));
  }

  async #step(): Promise<void> {
    const pick = this.#pick;
    const chores = this.#store.model<Chore>("chores");
    const token = ulid();
    const some = { title: ["water", "sweep", "bad", "cook"][pick(4)]!, rank: pick(6), done: pick(2) === 0, shared: pick(2) === 0, token };
    const known = [...this.#held.values()].flatMap(list => list.records);
    const chosen = known[pick(known.length || 1)];
    switch (pick(8)) {
      case 0:
        return this.#open(pick(cursors.length));
      case 1:
        return pick(3) === 0 ? this.#close() : undefined;
      case 2:
      case 3:
        return this.#written(token, chores.create(some));
      case 4:
        if (!chosen || pick(2)) return;
        return this.#written(token, this.#store.write(`DELETE /chores/${chosen.id}`, { token }, [{ op: "delete", model: "chores", id: chosen.id }]));
      default:
        if (chosen) return this.#written(token, chores.update(chosen.id, pick(2) ? { rank: some.rank, token } as object : some));
    }
  }

  /** Reports a write once it must survive. A bot without a database sometimes waits for the result. */
  async #written(token: string, write: Write): Promise<void> {
    if (!this.#stored && this.#pick(2)) {
      write.then(
        ({ error }) => this.#report(error ? "refused" : "done", { token, ...(error && { code: error.code }) }),
        () => {}, // another user, or the end: the write remains stored
      );
    }
    await write.saved;
    this.#report("made", { token });
  }

  /** Reports a refused write once, and dismisses some of them. */
  async #refused(refused: Refused): Promise<void> {
    if (this.#reported.has(refused)) return;
    this.#reported.add(refused);
    const { token } = "in" in refused ? (refused.in as { token: string }) : { token: "" };
    await this.#report("refused", { token, code: refused.error.code });
    if (this.#pick(2)) refused.dismiss();
  }

  #open(at: number): void {
    const [name, input = {}] = cursors[at]!;
    if (!this.#held.has(name)) this.#held.set(name, this.#store.cursor<Chore>(name, input, { keep: true }));
  }

  #close(): void {
    const [name, list] = [...this.#held][this.#pick(this.#held.size)] ?? [];
    list?.close();
    if (name) this.#held.delete(name);
  }

  /** Reports immediately: the page may be killed at any moment. */
  #report(kind: string, body: object): Promise<unknown> {
    const report = this.#ask(kind, body);
    this.#reports.push(report);
    return report;
  }

  async #ask(what: string, body: object = {}): Promise<string> {
    const answer = await fetch(`${this.#harness}/harness/${what}`, { method: "POST", body: JSON.stringify(body), keepalive: what !== "holds" });
    return answer.text();
  }

  async #until(is: () => boolean): Promise<void> {
    while (!is()) await sleep(5);
  }
}
