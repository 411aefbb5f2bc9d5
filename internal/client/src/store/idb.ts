/**
 * A Database is the device's storage, in IndexedDB. It holds unanswered writes, by
 * key, and the lists that are kept for a start without a connection. A call runs one
 * request in a transaction of its own and resolves with the result after the commit.
 */
export type Database = <T>(table: "writes" | "lists", run: (table: IDBObjectStore) => IDBRequest<T>) => Promise<T>;

/** Opens the database. Rejects if IndexedDB is missing or blocked: in Node, and in private windows of some browsers. */
export async function openDatabase(name: string): Promise<Database> {
  const opening = indexedDB.open(name, 1);
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("writes", { keyPath: "key" });
      opening.result.createObjectStore("lists");
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = reject;
  });
  database.onversionchange = () => database.close();
  return (table, run) =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction(table, "readwrite");
      const request = run(transaction.objectStore(table));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = reject;
    });
}
