import type { Cursor } from "./cursor";
import type { Disk } from "./idb";
import { position, seqOf, type Row, type Scope } from "../wire/frames";

/** What a server said of itself and of the user when it was reached last. */
export interface Known {
  readonly user: string;
  readonly epoch: string;
  readonly build: string;
}

interface Saved {
  known: Known;
  model: string;
  scope: Scope | null;
  since: string;
  records: readonly Row[];
}

const knownKey = ""; // no list has it
const soon = 300; // ms that changes wait for others, to be saved together

/** Keeps the records of cursors on the disk, for a start without a connection. They belong to one user of one server. */
export class Cold {
  readonly #disk: Promise<Disk | null>;
  readonly #changed = new Map<string, Cursor>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #known: Known | undefined;

  constructor(disk: Promise<Disk | null>) {
    this.#disk = disk;
    globalThis.document?.addEventListener("visibilitychange", this.#save);
  }

  /** What was known when the server was reached last. */
  async known(): Promise<Known | undefined> {
    return this.#do(table => table.get(knownKey));
  }

  /** Takes down what the server says, and forgets the lists of another user or another server. */
  async greet(known: Known): Promise<void> {
    this.#known = known;
    await this.#do(table => {
      const was: IDBRequest<Known | undefined> = table.get(knownKey);
      was.onsuccess = () => {
        if (equal(known, was.result)) return;
        table.clear();
        table.put(known, knownKey);
      };
      return was;
    });
  }

  /** Puts back what a cursor held that has not been told anything since. Returns whether there was something. */
  async restore(key: string, list: Cursor): Promise<boolean> {
    const saved: Saved | undefined = await this.#do(table => table.get(key));
    if (!saved || list.model || (this.#known && !equal(this.#known, saved.known))) return false;
    const { model, scope, since, records } = saved;
    Object.assign(list, { model, scope, since, served: records, at: seqOf(since) });
    return true;
  }

  /** Keeps what a cursor holds, soon. */
  save(key: string, list: Cursor): void {
    if (list.stale) return;
    this.#changed.set(key, list);
    this.#timer ??= setTimeout(this.#save, soon);
  }

  close(): void {
    clearTimeout(this.#timer);
    globalThis.document?.removeEventListener("visibilitychange", this.#save);
  }

  #save = (): void => {
    this.#timer = undefined;
    const known = this.#known!;
    for (const [key, { model, scope, at, served }] of this.#changed) {
      const saved: Saved = { known, model, scope, since: position(known.epoch, at), records: served };
      void this.#do(table => table.put(saved, key));
    }
    this.#changed.clear();
  };

  async #do<T>(run: (table: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    return (await this.#disk)?.("lists", run).catch(() => undefined);
  }
}

function equal(a: Known, b: Known | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
