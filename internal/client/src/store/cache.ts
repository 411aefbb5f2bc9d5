import type { Cursor } from "./cursor";
import type { Database } from "./idb";
import { position, seqOf, type Row, type Scope } from "../wire/frames";

/** The server and the user of the last connection. Saved lists are valid for one identity only. */
export interface Identity {
  readonly user: string;
  readonly epoch: string;
  readonly build: string;
}

/** A list as it is stored on the device. */
interface SavedList {
  known: Identity;
  model: string;
  scope: Scope | null;
  since: string;
  records: readonly Row[];
}

const identityKey = ""; // not the key of any list
const saveDelay = 300; // ms before changes are saved together

/** A ListCache stores the records of cursors on the device, for a start without a connection. It holds the lists of one user of one server. */
export class ListCache {
  readonly #database: Promise<Database | null>;
  readonly #changed = new Map<string, Cursor>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #identity: Identity | undefined;

  constructor(database: Promise<Database | null>) {
    this.#database = database;
    globalThis.addEventListener?.("visibilitychange", this.#save, true);
  }

  /** Returns the identity of the last connection. */
  async identity(): Promise<Identity | undefined> {
    return this.#run(table => table.get(identityKey));
  }

  /** Stores the current identity. If it differs from the stored one, all stored lists are deleted. */
  async setIdentity(identity: Identity): Promise<void> {
    this.#identity = identity;
    await this.#run(table => {
      const was: IDBRequest<Identity | undefined> = table.get(identityKey);
      was.onsuccess = () => {
        if (sameIdentity(identity, was.result)) return;
        table.clear();
        table.put(identity, identityKey);
      };
      return was;
    });
  }

  /** Loads the stored records into a cursor that has received nothing yet. Returns whether there were any. */
  async restore(key: string, list: Cursor): Promise<boolean> {
    const saved: SavedList | undefined = await this.#run(table => table.get(key));
    if (!saved || list.model || (this.#identity && !sameIdentity(this.#identity, saved.known))) return false;
    const { model, scope, since, records } = saved;
    Object.assign(list, { model, scope, since, served: records, seq: seqOf(since) });
    return true;
  }

  /** Saves a cursor's records after a short delay. */
  save(key: string, list: Cursor): void {
    if (list.stale) return;
    this.#changed.set(key, list);
    this.#timer ??= setTimeout(this.#save, saveDelay);
  }

  close(): void {
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("visibilitychange", this.#save, true);
  }

  #save = (): void => {
    this.#timer = undefined;
    const known = this.#identity!;
    for (const [key, { model, scope, seq, served }] of this.#changed) {
      const saved: SavedList = { known, model, scope, since: position(known.epoch, seq), records: served };
      void this.#run(table => table.put(saved, key));
    }
    this.#changed.clear();
  };

  async #run<T>(run: (table: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    return (await this.#database)?.("lists", run).catch(() => undefined);
  }
}

function sameIdentity(a: Identity, b: Identity | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
