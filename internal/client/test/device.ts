// Reads the database on the device.

import { after } from "./runner";
import type { Received } from "./server";

/** The name of the database of pages. */
export const pageDatabase = `tower ws://${location.host}/_tower/socket`;

/** Returns the stored writes. */
export function storedWrites(name = "queue"): Promise<Received[]> {
  return stored(name, "writes", table => table.getAll() as IDBRequest<Received[]>);
}

/** Returns the stored user, whom a page starts with that has no connection. */
export async function storedUser(name = "queue"): Promise<string | undefined> {
  const known = await stored(name, "lists", table => table.get("") as IDBRequest<Received | undefined>);
  return known?.user;
}

async function stored<T>(name: string, table: string, read: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(name);
  const database = await new Promise<IDBDatabase>(done => (opening.onsuccess = () => done(opening.result)));
  const reading = read(database.transaction(table).objectStore(table));
  await new Promise(done => (reading.onsuccess = done));
  database.close();
  return reading.result;
}

/** Resolves once the database has a number of matching writes. Pages announce their changes to each other. */
export async function saved(count: number, name = "queue", is: (stored: Received) => boolean = () => true): Promise<void> {
  const channel = new BroadcastChannel(name);
  after(() => channel.close());
  let changed!: () => void;
  channel.onmessage = () => changed();
  for (;;) {
    const more = new Promise<void>(done => (changed = done));
    if ((await storedWrites(name)).filter(is).length === count) return;
    await more;
  }
}
