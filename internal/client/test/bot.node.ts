// Runs bots in a Node process. The environment holds their configuration.

import { endpoint, openConnection } from "../src/net/transports";
import { Store } from "../src/index";
import { Bot, transportLists } from "./bot";

interface BotConfig {
  url: string;
  cookie: string;
  seed: number;
}

declare const process: { env: Record<string, string> };

const bots = JSON.parse(process.env.TOWER_TEST_BOTS!) as BotConfig[];
const cookies = new Map(bots.map(({ url, cookie }) => [new URL(url).host, cookie]));

// Node has no cookies. Unlike in browsers, its WebSocket accepts headers.
const NodeWebSocket = WebSocket as unknown as new (url: URL, options: object) => WebSocket;
globalThis.WebSocket = class extends NodeWebSocket {
  constructor(url: URL) {
    super(url, { headers: { cookie: cookies.get(url.host) } });
  }
} as unknown as typeof WebSocket;

const { fetch } = globalThis;
globalThis.fetch = (to, init) => {
  const cookie = cookies.get(new URL(String(to)).host)!;
  return fetch(to, { ...init, headers: { ...init?.headers, cookie } });
};

for (const { url, seed } of bots) {
  const to = endpoint(new URL("/_tower/socket", url), transportLists[seed % transportLists.length]!);
  void new Bot(new Store(events => openConnection(to, events)), `${url}/node`, seed).run();
}
