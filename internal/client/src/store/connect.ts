import type { StoreEvents } from "../net/connection";
import { SharedConnection } from "../net/shared";
import { endpoint, openConnection, type TransportName } from "../net/transports";
import { Store } from "./store";

export interface Options {
  /** The server's socket, which has the others beside it; by default that of the page's own server. In Node there is no default. */
  url?: string;
  /** How to reach the server: the first that works. By default "socket", then "stream", then "poll". */
  transports?: readonly TransportName[];
  /** Whether the pages of this origin share a connection where the browser lets them. By default they do. */
  share?: boolean;
}

declare const WORKER: string; // a hash: pages share a worker with those who have the same

const stores = new Map<string, Store>();

/** Options that hold where none is given. */
export const defaults: Options = {};

/**
 * The store of a server. Every part of a page that connects to one in the same to
 * shares it. What is not said is, on a page, what that says in <meta name="tower">, as JSON.
 */
export function connect(options: Options = {}): Store {
  const { url = "/_tower/socket", transports = ["socket", "stream", "poll"], share = true } = { ...defaults, ...options };
  const server = new URL(url, globalThis.location?.href);
  const to = endpoint(server, transports);
  const shared = share && SharedConnection.supported && server.origin === location.origin;
  const key = `${shared} ${to}`;
  let store = stores.get(key);
  if (!store || store.ended) {
    const open = (events: StoreEvents) => (shared ? new SharedConnection(to, new URL(`worker.js?${WORKER}`, server), events) : openConnection(to, events));
    store = new Store(open, `tower ${server.href.replace(/^http/, "ws")}`);
    stores.set(key, store);
  }
  return store;
}
