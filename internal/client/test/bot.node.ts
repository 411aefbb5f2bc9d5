// Bots in a process of Node's. Their orders are in its environment.

import { endpoint, openConnection } from "../src/net/transports";
import { Store } from "../src/index";
import { Bot, ways } from "./bot";

interface Order {
  url: string;
  cookie: string;
  seed: number;
}

declare const process: { env: Record<string, string> };

const orders = JSON.parse(process.env.TOWER_TEST_BOTS!) as Order[];
const cookies = new Map(orders.map(({ url, cookie }) => [new URL(url).host, cookie]));

// Node's WebSocket, unlike the browser's, takes headers; and has no cookies of its own.
const Plain = WebSocket as unknown as new (url: URL, options: object) => WebSocket;
globalThis.WebSocket = class extends Plain {
  constructor(url: URL) {
    super(url, { headers: { cookie: cookies.get(url.host) } });
  }
} as unknown as typeof WebSocket;

const { fetch } = globalThis;
globalThis.fetch = (to, init) => {
  const cookie = cookies.get(new URL(String(to)).host)!;
  return fetch(to, { ...init, headers: { ...init?.headers, cookie } });
};

for (const { url, seed } of orders) {
  const way = endpoint(new URL("/_tower/socket", url), ways[seed % ways.length]!);
  void new Bot(new Store(events => openConnection(way, events)), `${url}/node`, seed).run();
}
