// What is kept on the device.

import { after } from "./runner";
import type { Received } from "./server";

/** What is on the disk. */
export async function onDisk(name = "queue"): Promise<Received[]> {
  const opening = indexedDB.open(name);
  const database = await new Promise<IDBDatabase>(done => (opening.onsuccess = () => done(opening.result)));
  const all = database.transaction("writes").objectStore("writes").getAll();
  await new Promise(done => (all.onsuccess = done));
  database.close();
  return all.result as Received[];
}

/** Resolves once there are so many such writes on the disk. Pages tell each other of what they put there. */
export async function saved(count: number, name = "queue", is: (kept: Received) => boolean = () => true): Promise<void> {
  const channel = new BroadcastChannel(name);
  after(() => channel.close());
  let told!: () => void;
  channel.onmessage = () => told();
  for (;;) {
    const more = new Promise<void>(done => (told = done));
    if ((await onDisk(name)).filter(is).length === count) return;
    await more;
  }
}
