// Tests a store with a real application, on a network with faults.

import type { Cursor } from "../../src/store/cursor";
import { endpoint, openConnection, type TransportName } from "../../src/net/transports";
import { Store, type State } from "../../src/store/store";
import { timeouts } from "../../src/net/timeouts";
import { after, equal, ok, test } from "../runner";
import { state } from "../state";

interface Note {
  id: string;
  text: string;
}

interface Faults {
  Upgrade?: "strip" | "hang" | "200" | "400" | "502";
  Buffer?: boolean;
  Idle?: number;
  Stall?: boolean;
}

Object.assign(timeouts, { upgrade: 100, check: 100, retry: 20 });
const usual = { ...timeouts };

/** Defines a test that starts with these faults. */
function testOn(network: Faults, name: string, run: () => Promise<void>): void {
  test(name, async () => {
    Object.assign(timeouts, usual);
    sessionStorage.clear();
    await faults(network);
    await run();
  });
}

async function faults(change: Faults): Promise<void> {
  await fetch("/faults", { method: "PUT", body: JSON.stringify(change) });
}

const put = (text: string) => fetch(`/notes/${text}`, { method: "PUT" });
const truth = async () => ((await (await fetch("/notes")).json()) ?? []) as Note[];

/** A store and its history: the transports, and whether its list was stale. */
interface Followed {
  store: Store;
  notes: Cursor<Note>;
  over: string[];
  stale: boolean[];
  why: string[];
}

async function follow(transports: TransportName[] = ["socket", "stream", "poll"]): Promise<Followed> {
  const store = new Store(events => openConnection(endpoint(new URL("/_tower/socket", location.href), transports), events));
  const notes = store.cursor<Note>("notes.all");
  after(() => store.close());
  const over: string[] = [];
  const why: string[] = [];
  const stale: boolean[] = [];
  store.subscribe(({ online, transport, closed }) => {
    const now = online ? transport : "-";
    if (closed) why.push(closed.reason);
    if (over.at(-1) !== now) over.push(now);
  });
  await notes.ready;
  notes.subscribe(() => {
    if (stale.at(-1) !== notes.stale) stale.push(notes.stale);
  });
  return { store, notes, over, stale, why };
}

let runs = 0;

/** Calls and writes, within the limits of the server. The returned function ends that and checks the results. */
function traffic({ store, notes }: Followed): () => Promise<void> {
  const run = ++runs;
  const calls: Promise<unknown>[] = [];
  let going = true;
  const done = (async () => {
    while (going) {
      calls.push(store.call("POST /notes", { text: `call ${run}.${calls.length}` }));
      await put(`write ${run}.${calls.length}`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  })();
  return async () => {
    going = false;
    await done;
    await Promise.all(calls);
    await settled(store, notes);
    const texts = notes.records.map(note => note.text);
    for (let i = 0; i < calls.length; i++) equal(texts.filter(text => text === `call ${run}.${i}`).length, 1, `how often call ${i} took effect`);
  };
}

/** Checks that the list equals the records of the server. */
async function settled(store: Store, notes: Cursor<Note>): Promise<void> {
  const want = (await truth()).map(({ id, text }) => ({ id, text })).sort((a, b) => (a.id < b.id ? -1 : 1));
  await store.call("GET /greeting"); // its answer arrives after all earlier commits
  equal(notes.records.map(({ id, text }) => ({ id, text })), want);
}

const over = (name: string) => (state: State) => state.online && state.transport === name;

for (const name of ["socket", "stream", "poll"] as const) {
  testOn({}, `over ${name} alone`, async () => {
    const followed = await follow([name]);
    const stop = traffic(followed);
    for (let i = 0; i < 20; i++) await followed.store.call("GET /greeting");
    await stop();
    equal(followed.over, ["-", name]);
  });
}

for (const Upgrade of ["strip", "200", "400", "502", "hang"] as const) {
  testOn({ Upgrade }, `a proxy that answers upgrades with ${Upgrade}, and then stops`, async () => {
    if (Upgrade === "hang") timeouts.hello = 500;
    const followed = await follow();
    equal(followed.store.state.transport, "stream", followed.why.join());
    const stop = traffic(followed);
    timeouts.hello = usual.hello;
    await faults({});
    await state(followed.store, over("socket"));
    await stop();
    equal(followed.over, ["-", "stream", "socket"]);
    equal(followed.stale, [false], "whether the list was stale");
  });
}

testOn({ Upgrade: "502", Buffer: true }, "a proxy that also buffers streams", async () => {
  timeouts.hello = 1000;
  const followed = await follow();
  equal(followed.store.state.transport, "poll");
  const stop = traffic(followed);
  await faults({ Upgrade: "502" });
  await state(followed.store, over("stream"));
  await faults({});
  await state(followed.store, over("socket"));
  await stop();
  equal(followed.over, ["-", "poll", "stream", "socket"]);
  equal(followed.stale, [false], "whether the list was stale");
});

testOn({ Upgrade: "502" }, "the next page in the tab starts with the transport that worked", async () => {
  timeouts.upgrade = 1e9;
  const { store } = await follow();
  equal(sessionStorage.getItem("tower.transport"), "stream");
  const next = new Store(events => openConnection(endpoint(new URL("/_tower/socket", location.href), ["socket", "stream"]), events));
  after(() => next.close());
  const tried: string[] = [];
  const { WebSocket } = window;
  after(() => (window.WebSocket = WebSocket));
  window.WebSocket = class extends WebSocket {
    constructor(url: string | URL) {
      super(url);
      tried.push(String(url));
    }
  };
  await state(next, over("stream"));
  equal(tried, []);
  ok(store.state.online, "the first store is offline");
});

testOn({ Idle: 150 }, "a firewall that cuts idle sockets", async () => {
  const followed = await follow(["socket", "poll"]);
  timeouts.upgrade = 1e9;
  await state(followed.store, over("poll"));
  const stop = traffic(followed);
  await stop(); // polls are cut too, and repeated
  equal(followed.over, ["-", "socket", "-", "socket", "-", "socket", "-", "poll"]);
});

for (const name of ["socket", "stream", "poll"] as const) {
  testOn({}, `a half-open ${name}`, async () => {
    Object.assign(timeouts, { silence: 300, pong: 300, poll: 60_000 });
    const followed = await follow([name]);
    await faults({ Stall: true });
    await put(`not seen over a ${name}`);
    await state(followed.store, ({ online }) => !online);
    equal(followed.store.state.closed?.reason, "the server was silent");
    await state(followed.store, ({ online }) => online);
    await settled(followed.store, followed.notes);
    equal(followed.over, ["-", name, "-", name]);
  });
}

testOn({}, "a poll that breaks silently is repeated", async () => {
  const followed = await follow(["poll"]);
  Object.assign(timeouts, { poll: 200 });
  await followed.store.call("GET /greeting"); // the next poll has the new timeout
  await faults({ Stall: true });
  await put("seen after a while");
  await new Promise<void>(resolve => followed.notes.subscribe(notes => notes.some(note => note.text === "seen after a while") && resolve()));
  equal(followed.over, ["-", "poll"]);
});

testOn({}, "a quiet link is pinged and stays open", async () => {
  const followed = await follow();
  Object.assign(timeouts, { silence: 100, pong: 1000 });
  const sent: string[] = [];
  const { send } = WebSocket.prototype;
  after(() => (WebSocket.prototype.send = send));
  const pinged = new Promise<void>(resolve => {
    WebSocket.prototype.send = function (data: string) {
      sent.push(data);
      send.call(this, data);
      if (sent.length === 3) resolve();
    };
  });
  await pinged;
  equal([...new Set(sent)], [`{"ping":true}`]);
  equal(followed.over, ["-", "socket"]);
});
