/**
 * A Database keeps what has to outlive the page, in IndexedDB: the writes that have
 * not been answered, under their keys, and the lists that are kept for a start
 * without a connection. It runs one request on a table, in a transaction of its
 * own, and resolves with its result when that has been completed.
 */
export type Database = <T>(table: "writes" | "lists", run: (table: IDBObjectStore) => IDBRequest<T>) => Promise<T>;

/** Rejects where there is no IndexedDB, or no use of it: in Node, and in the private mode of some browsers. */
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
