import { after, equal, ok, rejection, test } from "./runner";
import { accept, newStore, online, refuse, refused, state } from "./server";

test("it reconnects immediately when the network or the reader returns", async () => {
  const random = Math.random;
  after(() => (Math.random = random));
  const { store, link } = await online();
  Math.random = () => 1e6; // a regular retry would be too late for this test
  let next = link;
  const wake = { online: () => window.dispatchEvent(new Event("online")), visible: () => document.dispatchEvent(new Event("visibilitychange")) };
  for (const event of [wake.online, wake.visible]) {
    next.drop();
    await state(store, ({ online }) => !online);
    event();
    next = await accept();
    await next.greet();
    await state(store, ({ online }) => online);
  }
});

test("retries wait longer and longer, with jitter", async () => {
  const { setTimeout } = window;
  const random = Math.random;
  after(() => {
    window.setTimeout = setTimeout;
    Math.random = random;
  });
  const waits: number[] = [];
  Math.random = () => 0.5;
  const { store, link } = await online();
  window.setTimeout = ((run: () => void, ms: number) => {
    if (0 < ms && ms < 10_000) waits.push(ms);
    return setTimeout(run, ms < 10_000 ? 0 : ms);
  }) as typeof window.setTimeout;
  await refuse(true);
  link.drop();
  while (waits.length < 9) await refused();
  equal(waits.slice(0, 9), [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  await refuse(false);
  const back = await accept();
  await back.greet();
  await state(store, ({ online }) => online);
  waits.length = 0;

  back.close(1012, "restart");
  const restarted = await accept();
  equal(waits, [50], "a restart resets the delay");
  await restarted.greet();
  restarted.close(1008, "too many connections");
  const behind = await accept();
  await behind.greet();
  behind.close(1013, "this node lacks commits that you have");
  await accept();
  equal(waits, [50, 100, 200], "a client that is closed each time waits longer");
});

test("a silent server is dropped", async () => {
  const { setTimeout } = window;
  after(() => (window.setTimeout = setTimeout));
  window.setTimeout = ((run: () => void, ms: number) => setTimeout(run, ms === 10_000 ? 50 : ms)) as typeof window.setTimeout;
  const store = await newStore();
  const silent = await accept();
  await silent.ended;
  window.setTimeout = setTimeout;
  equal(store.state.closed?.reason, "the server did not answer");
  await (await accept()).greet();
  await state(store, ({ online }) => online);
});

test("it does not reconnect if the server has another version", async () => {
  const store = await newStore();
  const waiting = rejection(store.call("POST /posts"));
  const link = await accept();
  await link.next();
  link.close(1002, "unsupported version 1: reload the page");
  equal((await waiting).code, "closed");
  ok(store.ended, "the store has ended");
  equal(store.state.closed, { code: 1002, reason: "unsupported version 1: reload the page" });
  equal((await rejection(store.call("POST /posts"))).code, "closed");
});
