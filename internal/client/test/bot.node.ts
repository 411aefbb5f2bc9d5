// Bots in a process of Node's. Their orders are in its environment.

import { dial, route } from "../src/dial";
import { Store } from "../src/index";
import { Bot } from "./bot";

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

for (const { url, seed } of orders) {
  const way = route(new URL("/_tower/socket", url), ["socket"]);
  void new Bot(new Store(events => dial(way, events)), `${url}/node`, seed).run();
}
