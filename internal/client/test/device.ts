// Reads the database on the device.

import { after } from "./runner";
import type { Received } from "./server";

/** Returns the stored writes. */
export async function storedWrites(name = "queue"): Promise<Received[]> {
  const opening = indexedDB.open(name);
  const database = await new Promise<IDBDatabase>(done => (opening.onsuccess = () => done(opening.result)));
  const all = database.transaction("writes").objectStore("writes").getAll();
  await new Promise(done => (all.onsuccess = done));
  database.close();
  return all.result as Received[];
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
