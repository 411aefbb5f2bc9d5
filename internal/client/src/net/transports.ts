import type { ConnectionEvents } from "./connection";
import { DirectConnection } from "./direct";
import { poll, stream } from "./http";
import { socket } from "./socket";

const transportTypes = { socket, stream, poll };

/** The name of a transport: a WebSocket, an event stream with requests beside it, or requests alone. */
export type TransportName = keyof typeof transportTypes;

/** Encodes the address of a server and the transports to it as a string. Equal arguments give equal strings. */
export function endpoint(url: URL, transports: readonly TransportName[]): string {
  const unknown = transports.find(name => !(name in transportTypes));
  if (unknown || transports.length === 0) throw new TypeError(`tower: unknown transport ${unknown}; use ${Object.keys(transportTypes)}`);
  return JSON.stringify([url.href.replace(/^ws/, "http"), ...transports]);
}

/** Connects to an endpoint. It skips the WebSocket in Node before 22, which has none. */
export function openConnection(endpoint: string, events: ConnectionEvents): DirectConnection {
  const [href, ...named] = JSON.parse(endpoint) as [string, ...TransportName[]];
  const transports = named.filter(name => name !== "socket" || "WebSocket" in globalThis);
  if (transports.length === 0) throw new TypeError("tower: there is no WebSocket");
  return new DirectConnection(transports.map(name => transportTypes[name](new URL(href))), events);
}
