// Runs a bot in a page in Chromium. The path of the page identifies it.

import { openDatabase } from "../src/store/idb";
import { connect } from "../src/index";
import type { StoredWrite } from "../src/store/write";
import { timeouts } from "../src/net/timeouts";
import { Bot, transportLists } from "./bot";

const seed = Number(new URLSearchParams(location.search).get("seed"));
Object.assign(timeouts, { upgrade: 300, retry: 50, check: 1000, worker: 3000 });
const store = connect({ transports: transportLists[seed % transportLists.length]!, share: seed % 2 === 0 });
const database = openDatabase(`tower ws://${location.host}/_tower/socket`);
const storedWrites = async () => (await database)("writes", table => table.getAll() as IDBRequest<StoredWrite[]>);

const history: string[] = [];
store.subscribe(({ transport, closed, pending }) => {
  const now = `${transport || closed?.reason} ${pending}`;
  if (!history.at(-1)?.endsWith(now)) history.push(`${(performance.now() / 1000).toFixed(1)} ${now}`);
});

/** Describes the state of the page, for a test that gets stuck. */
async function diagnostics(): Promise<string> {
  const all = await storedWrites();
  const { held, pending } = await navigator.locks.query();
  const locks = [held, pending].map(locks => locks?.map(({ name, clientId }) => `${name?.slice(-4)} ${clientId?.slice(0, 4)}`));
  return JSON.stringify({
    ...store.state, actions: [], cursors: [], refused: store.refused.value.length, locks, seed, now: performance.now(), visible: document.visibilityState,
    history: history.slice(-30),
    stored: all.map(({ session, error }) => `${session.slice(-4)} ${error?.code}`),
  });
}

Object.assign(window, { diagnostics, store });
void new Bot(store, location.pathname.replace(/\/$/, ""), seed, storedWrites).run();
