import type { StoreEvents } from "../net/connection";
import { SharedConnection } from "../net/shared";
import { endpoint, openConnection, type TransportName } from "../net/transports";
import { Store } from "./store";

/** The options of connect. Their defaults are the settings of the page in <meta name="tower">, as JSON. */
export interface Options {
  /** The URL of the server's socket, beside which are the other transports. The default is the page's server; Node has none. */
  url?: string;
  /** The transports to try, in order. The default is "socket", "stream", "poll". */
  transports?: readonly TransportName[];
  /** Whether pages of this origin share a connection if the browser supports it. The default is true. */
  share?: boolean;
}

declare const WORKER: string; // a hash: pages with the same one share a worker

const stores = new Map<string, Store>();

/** The settings of the page. */
export const defaults: Options = {};

/**
 * Returns the store of a server. Calls with equal options share one store until its
 * connection has ended.
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
