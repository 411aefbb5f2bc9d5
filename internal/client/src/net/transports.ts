import type { LineEvents } from "./connection";
import { Connection } from "./direct";
import { poll, stream } from "./http";
import { socket } from "./socket";

const carriers = { socket, stream, poll };

/** A way to reach the server: a WebSocket, an event stream with requests beside it, or requests alone. */
export type TransportName = keyof typeof carriers;

/** Where a server is, and how to reach it, as text: the same for the same. */
export function route(url: URL, transports: readonly TransportName[]): string {
  const unknown = transports.find(name => !(name in carriers));
  if (unknown || transports.length === 0) throw new TypeError(`tower: no transport ${unknown}; there are ${Object.keys(carriers)}`);
  return JSON.stringify([url.href.replace(/^ws/, "http"), ...transports]);
}

/** Connects by a route. Before Node 22 there is no WebSocket. */
export function dial(route: string, events: LineEvents): Connection {
  const [href, ...named] = JSON.parse(route) as [string, ...TransportName[]];
  const transports = named.filter(name => name !== "socket" || "WebSocket" in globalThis);
  if (transports.length === 0) throw new TypeError("tower: no WebSocket here");
  return new Connection(transports.map(name => carriers[name](new URL(href))), events);
}
