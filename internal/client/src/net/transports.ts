import type { ConnectionEvents } from "./connection";
import { DirectConnection } from "./direct";
import { poll, stream } from "./http";
import { socket } from "./socket";

const transportTypes = { socket, stream, poll };

/** A way to reach the server: a WebSocket, an event stream with requests beside it, or requests alone. */
export type TransportName = keyof typeof transportTypes;

/** Where a server is, and how to reach it, as text: the same for the same. */
export function endpoint(url: URL, transports: readonly TransportName[]): string {
  const unknown = transports.find(name => !(name in transportTypes));
  if (unknown || transports.length === 0) throw new TypeError(`tower: no transport ${unknown}; there are ${Object.keys(transportTypes)}`);
  return JSON.stringify([url.href.replace(/^ws/, "http"), ...transports]);
}

/** Connects by a route. Before Node 22 there is no WebSocket. */
export function openConnection(endpoint: string, events: ConnectionEvents): DirectConnection {
  const [href, ...named] = JSON.parse(endpoint) as [string, ...TransportName[]];
  const transports = named.filter(name => name !== "socket" || "WebSocket" in globalThis);
  if (transports.length === 0) throw new TypeError("tower: no WebSocket here");
  return new DirectConnection(transports.map(name => transportTypes[name](new URL(href))), events);
}
