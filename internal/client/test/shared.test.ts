// Pages that share a connection. Each store acts as a page.

import { endpoint } from "../src/net/transports";
import { SharedConnection } from "../src/net/shared";
import { Store } from "../src/store/store";
import { timeouts } from "../src/net/timeouts";
import { after, equal, ok, test } from "./runner";
import { accept, applied, cookieOf, ready, state, transport, type Link } from "./server";

timeouts.worker = 60_000; // a busy machine may start one slowly
const usual = { ...timeouts };
let tests = 0;

/** The URL of this test's worker. Each test has its own worker. */
const worker = () => new URL(`/_tower/worker.js?${tests}`, location.href);

interface Post {
  id: string;
}

const post = (id: string) => ({ id });
const full = (id: number, cursor: number, ids: string) => ({
  id, status: 200, at: "E:5", cursor, model: "posts", ids: [...ids], posts: [...ids].map(post),
});
const ids = (records: readonly Post[]) => records.map(record => record.id).join("");
const open = (name: string) => ({ open: name, in: {} });

/** Opens a page. The server may not have accepted it yet. */
async function page(script = worker()): Promise<Store> {
  await ready;
  const way = endpoint(new URL("/_tower/socket", location.href), [transport]);
  const store = new Store(events => new SharedConnection(way, script, events));
  after(() => {
    store.close();
    Object.assign(timeouts, usual);
  });
  return store;
}

/** Opens two pages with a shared connection. */
async function pages(): Promise<{ one: Store; two: Store; link: Link }> {
  tests++;
  await cookieOf("ada");
  const one = await page();
  const link = await accept();
  await link.greet();
  await state(one, ({ online }) => online);
  const two = await page();
  await state(two, ({ online }) => online);
  return { one, two, link };
}

test("pages share one connection, and each gets its own answers", async () => {
  const { one, two, link } = await pages();
  equal([one.state.transport, two.state.transport, two.state.user], [transport, transport, "ada"]);
  const [all, own] = [one.cursor("all"), one.cursor("own")];
  link.send(full(await link.expect(open("all")), 1, "ab"));
  link.send(full(await link.expect(open("own")), 2, "x"));
  await Promise.all([all.ready, own.ready]);

  const same = two.cursor("all");
  link.send(full(await link.expect(open("all")), 1, "ab"));
  await same.ready;
  const seen: unknown[] = [];
  two.subscribe(({ seq }) => seen.push(seq));
  link.send({ seq: 6, posts: [post("c")], cursors: { 1: { enter: [{ id: "c", after: "b" }] } } });
  link.send({ seq: 7, posts: [post("y")], cursors: { 2: { enter: [{ id: "y", after: "x" }] } } });
  await applied(one, link);
  await applied(two, link);
  equal([ids(all.records), ids(own.records), ids(same.records)], ["abc", "xy", "abc"]);
  equal(seen, [0, 6], "a page receives the commits of its cursors");
});

test("a cursor is closed when no page uses it and no answer may name it", async () => {
  const { one, two, link } = await pages();
  const first = one.cursor("all");
  link.send(full(await link.expect(open("all")), 1, "ab"));
  await first.ready;
  const second = two.cursor("all");
  const id = await link.expect(open("all"));
  first.close();
  await applied(one, link); // nothing was closed before it
  link.send(full(id, 1, "ab"));
  await second.ready;
  second.close();
  link.send({ id: await link.expect({ close: 1 }), status: 200 });

  const third = one.cursor("all");
  link.send(full(await link.expect(open("all")), 3, "ab"));
  await third.ready;
  one.close();
  link.send({ id: await link.expect({ close: 3 }), status: 200 });
  await applied(two, link);
});

test("a cursor that gets another number keeps its pages", async () => {
  const { one, two, link } = await pages();
  const lists = [one.cursor("all"), two.cursor("all")];
  link.send(full(await link.expect(open("all")), 1, "a"));
  link.send(full(await link.expect(open("all")), 1, "a"));
  await Promise.all(lists.map(list => list.ready));
  link.send({ seq: 6, cursors: { 1: { to: 9 } } });
  link.send({ seq: 7, posts: [post("b")], cursors: { 9: { enter: [{ id: "b", after: "a" }] } } });
  await applied(one, link);
  await applied(two, link);
  equal(lists.map(list => ids(list.records)), ["ab", "ab"]);
  link.send({ seq: 8, cursors: { 9: { leave: ["a", "b"], closed: { code: "forbidden", message: "No." } } } });
  await applied(one, link);
  await applied(two, link);
  equal(lists.map(list => [ids(list.records), list.error?.code]), [["", "forbidden"], ["", "forbidden"]]);
});

test("one page acknowledges for all", async () => {
  const { one, two, link } = await pages();
  const lists = [one.cursor("all"), two.cursor("all")];
  link.send(full(await link.expect(open("all")), 1, "a"));
  link.send(full(await link.expect(open("all")), 1, "a"));
  await Promise.all(lists.map(list => list.ready));
  link.send({ seq: 6, ack: true, cursors: { 1: { leave: ["a"] } } });
  equal(await link.next(), { applied: 6 });
  await applied(one, link);
  await applied(two, link);
});

test("answers reach the page that called, and pushes reach all", async () => {
  const { one, two, link } = await pages();
  const notified: string[] = [];
  one.on("POST /announce", () => notified.push("one"));
  two.on("POST /announce", () => notified.push("two"));
  const calls = [one.call("POST /a"), two.call("POST /b")];
  const frames = [await link.next(), await link.next()];
  ok(frames[0]!.id !== frames[1]!.id, "their ids are different");
  for (const { id, call } of frames.reverse()) link.send({ id, status: 200, out: call });
  equal((await Promise.all(calls)).map(result => result.out), ["POST /a", "POST /b"]);
  link.send({ push: "POST /announce", status: 200 });
  await applied(one, link);
  await applied(two, link);
  equal(notified.sort(), ["one", "two"]);
});

test("all pages lose the connection, and each resumes", async () => {
  const { one, two, link } = await pages();
  const [all, other] = [one.cursor("all"), two.cursor("other")];
  link.send(full(await link.expect(open("all")), 1, "a"));
  link.send(full(await link.expect(open("other")), 2, "b"));
  await Promise.all([all.ready, other.ready]);
  const call = two.call("POST /b");
  const { key } = await link.next();
  link.drop();
  await Promise.all([one, two].map(store => state(store, ({ online }) => !online)));
  ok(all.stale && other.stale, "without a connection, cursors are stale");
  const next = await accept();
  await next.greet();
  const opened = new Map<string, number>();
  for (let frame = await next.next(); ; frame = await next.next()) {
    if (frame.open) equal(frame.since, "E:5");
    else equal(frame.key, key);
    opened.set(frame.open ?? frame.call, frame.id);
    if (opened.size === 3) break;
  }
  next.send({ id: opened.get("all"), status: 200, at: "E:5", cursor: 1, model: "posts", since: "E:5", delta: {} });
  next.send({ id: opened.get("other"), status: 200, at: "E:5", cursor: 2, model: "posts", since: "E:5", delta: { leave: ["b"] } });
  next.send({ id: opened.get("POST /b"), status: 200, repeated: true });
  equal((await call).repeated, true);
  await applied(one, next);
  equal([ids(all.records), ids(other.records), all.stale], ["a", "", false]);
});

test("a page with another user's cookie makes all pages reconnect", async () => {
  const { one, two, link } = await pages();
  await cookieOf("bob");
  const three = page();
  await link.ended;
  const next = await accept();
  await next.greet({ user: "bob" });
  const stores = [one, two, await three];
  const users = await Promise.all(stores.map(store => state(store, ({ online, user }) => online && user === "bob")));
  equal(users.length, 3);
});

test("a sign-in in one page reconnects all", async () => {
  const { one, two, link } = await pages();
  const signedIn = one.call("POST /session");
  link.send({ id: await link.expect({ call: "POST /session", in: {} }), status: 200, session: "ticket" });
  await signedIn;
  await link.ended;
  const next = await accept();
  await next.greet({ user: "bob" });
  await Promise.all([one, two].map(store => state(store, ({ online, user }) => online && user === "bob")));
});

test("a page returns from the back/forward cache", async () => {
  const { one, two, link } = await pages();
  const list = one.cursor("all");
  link.send(full(await link.expect(open("all")), 1, "a"));
  await list.ready;
  dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })); // for both
  await link.ended;
  equal([one.state.online, two.state.online, one.ended], [false, false, false]);
  dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
  const next = await accept();
  await next.greet();
  await next.expect({ ...open("all"), since: "E:5" });
  await state(two, ({ online }) => online);
});

for (const [what, script] of [
  ["is not there", new URL("/nowhere.js", location.href)],
  ["is silent", new URL(URL.createObjectURL(new Blob([""], { type: "text/javascript" })))],
] as const) {
  test(`if the worker ${what}, a page uses its own connection`, async () => {
    timeouts.worker = 300;
    const store = await page(script);
    const link = await accept();
    await link.greet();
    await state(store, ({ online }) => online);
    await applied(store, link);
    store.close();
    await link.ended;
    ok(store.ended, "the shared connection has ended");
  });
}
