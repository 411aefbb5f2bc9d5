import { connect } from "../src/store/connect";
import { after, equal, ok, rejection, takeReported, test } from "./runner";
import { accept, applied, newStore, online, state, ticket, transport, type Link, type Received } from "./server";

interface Post {
  id: string;
  title: string;
}

const post = (id: string, title = id): Post => ({ id, title });
const open = (name: string, more: object = {}) => ({ open: name, in: {}, ...more });
const ids = (records: readonly { id: string }[]) => records.map(record => record.id).join("");

/** Returns an answer with all records. */
function full(id: number, cursor: number, at: string, list: string, more: object = {}): object {
  const posts = [...list].map(id => post(id));
  return { id, status: 200, at, cursor, model: "posts", ids: posts.map(({ id }) => id), posts, ...more };
}

/** Returns a commit in which records enter a cursor at its start. */
function enters(seq: number, cursor: number, ...list: string[]): object {
  return {
    seq,
    posts: list.map(id => post(id)),
    cursors: { [cursor]: { enter: list.map(id => ({ id, after: "" })) } },
  };
}

test("the state follows the connection", async () => {
  const store = await newStore();
  equal([store.state.online, store.state.transport, store.state.closed], [false, "", null]);
  const snapshots = new Set([store.getSnapshot()]);
  const link = await accept();
  await link.greet({ seq: 812 });
  const { online, transport: over, epoch, build, seq, user, actions, cursors } = await state(store, ({ online }) => online);
  equal([online, over, epoch, build, seq, user], [true, transport, "E", "b1", 812, "ada"]);
  equal([actions, cursors], [["POST /posts"], ["posts.published"]]);
  snapshots.add(store.getSnapshot());
  ok(store.getSnapshot() === store.getSnapshot(), "a snapshot stays the same until something changes");

  link.send({ seq: 813 });
  await state(store, ({ seq }) => seq === 813);
  link.close(1008, "too many cursors");
  const lost = await state(store, ({ online }) => !online);
  equal(lost.closed, { code: 1008, reason: "too many cursors" });
  equal([lost.transport, lost.user, lost.seq], ["", "ada", 813], "known values stay");
  snapshots.add(store.getSnapshot());
  equal(snapshots.size, 3);

  await (await accept()).greet({ user: "" });
  const back = await state(store, ({ online }) => online);
  equal([back.closed, back.user], [null, ""]);
});

test("what the user may use changes with a commit", async () => {
  const { store, link } = await online();
  const list = store.cursor<Post>("posts.all");
  link.send(full(await link.expect(open("posts.all")), 17, "E:5", "ab"));
  await list.ready;
  const notified: [readonly string[], readonly string[], string][] = [];
  store.subscribe(({ actions, cursors }) => notified.push([actions, cursors, ids(list.records)]));

  link.send({ seq: 6, allowed: { actions: [], cursors: ["posts.all"] }, cursors: { 17: { leave: ["b"] } } });
  link.send({ seq: 7, cursors: { 17: { leave: ["a"] } } });
  await applied(store, link);
  equal(notified, [
    [["POST /posts"], ["posts.published"], "ab"],
    [[], ["posts.all"], "a"],
    [[], ["posts.all"], ""],
  ]);
});

test("a cursor opens, is followed, and closes", async () => {
  const { store, link } = await online();
  const list = store.cursor<Post>("posts.all", { tag: "x" }, { order: ["-title"], limit: 3 });
  const notified: string[] = [];
  const stop = list.subscribe(records => notified.push(`${ids(records)}${list.stale ? "?" : ""}`));
  equal(notified, ["?"], "the subscriber is called immediately");

  const id = await link.expect({ open: "posts.all", in: { tag: "x" }, order: ["-title"], limit: 3 });
  link.send(full(id, 17, "E:5", "ba"));
  equal(ids(await list.ready), "ba");
  ok(list.getSnapshot() === list.records && list.records === list.getSnapshot(), "the snapshot is stable");

  link.send(enters(6, 17, "c"));
  link.send({ seq: 7, cursors: { 99: { leave: ["c"] } } });
  await applied(store, link);
  equal(notified, ["?", "ba", "cba"]);

  stop();
  link.send(enters(8, 17, "d"));
  await applied(store, link);
  equal(notified.length, 3, "an unsubscribed function is not called");
  equal(ids(list.records), "dcba");

  list.close();
  await link.expect({ close: 17 });
});

test("a message is applied in one turn, and each subscriber notified once", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  link.send([full(await link.expect(open("a")), 1, "E:0", ""), full(await link.expect(open("b")), 2, "E:0", "")]);
  await b.ready;

  const notified: string[] = [];
  const both = () => `${ids(a.records)} ${ids(b.records)} ${store.state.seq}`;
  for (const list of [a, b]) after(list.subscribe(() => notified.push(both())));
  after(store.subscribe(() => notified.push(`state ${both()}`)));
  notified.length = 0;
  const two = { seq: 2, posts: [post("y")], cursors: { 1: { enter: [{ id: "y", after: "x" }] }, 2: { enter: [{ id: "y", after: "" }] } } };
  link.send([enters(1, 1, "x"), two]);
  await applied(store, link);
  equal(notified, ["xy y 2", "xy y 2", "state xy y 2"]);
});

test("a subscriber that throws does not affect the others", async () => {
  const { store, link } = await online();
  const list = store.cursor("a");
  let notified = "";
  list.subscribe(() => {
    if (!list.stale) throw new Error("mine");
  });
  list.subscribe(records => (notified = ids(records)));
  link.send(full(await link.expect(open("a")), 1, "E:0", "a"));
  await list.ready;
  equal(notified, "a");
  equal(takeReported(), ["Error: mine"]);
});

test("equal requests share a cursor until each has closed it", async () => {
  const { store, link } = await online();
  const one = store.cursor("a", { x: 1, y: [2] }, { limit: 2, order: ["t"] });
  const same = store.cursor("a", { y: [2], x: 1 }, { order: ["t"], limit: 2 });
  const other = store.cursor("a", { x: 1, y: [2] });
  ok(one === same, "equal cursors are the same");
  ok(one !== (other as unknown), "narrowing makes a different one");
  const first = await link.expect({ open: "a", in: { x: 1, y: [2] }, limit: 2, order: ["t"] });
  const second = await link.expect({ open: "a", in: { x: 1, y: [2] } });
  link.send([full(first, 1, "E:0", "a"), full(second, 2, "E:0", "a")]);
  await other.ready;

  one.close();
  link.send(enters(1, 1, "b"));
  await applied(store, link);
  equal(ids(same.records), "ba", "it is still open for the other user of it");
  same.close();
  await link.expect({ close: 1 });

  ok(store.cursor("a", { x: 1, y: [2] }, { limit: 2, order: ["t"] }) !== one, "after a close, it is opened again");
  await link.expect({ open: "a", in: { x: 1, y: [2] }, limit: 2, order: ["t"] });
});

test("several cursors may share one number", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  const [first, second] = [await link.expect(open("a")), await link.expect(open("b"))];
  link.send([full(first, 7, "E:1", "a"), enters(2, 7, "x"), full(second, 7, "E:2", "xa")]);
  await b.ready;
  link.send(enters(3, 7, "y"));
  await applied(store, link);
  equal([ids(a.records), ids(b.records)], ["yxa", "yxa"]);

  a.close();
  link.send(enters(4, 7, "z"));
  await applied(store, link);
  equal(ids(b.records), "zyxa");
  b.close();
  await link.expect({ close: 7 });
});

test("a number is not closed while the answer to an open may name it", async () => {
  const { store, link } = await online();
  const a = store.cursor("a");
  link.send(full(await link.expect(open("a")), 7, "E:1", "a"));
  await a.ready;
  const b = store.cursor("b");
  a.close();
  link.send(full(await link.expect(open("b")), 7, "E:1", "a"));
  await b.ready;
  await applied(store, link); // the next frame is this call: nothing was closed
  b.close();
  await link.expect({ close: 7 });
});

test("a cursor that closes before its answer is closed after it", async () => {
  const { store, link } = await online();
  store.cursor("a").close();
  link.send(full(await link.expect(open("a")), 7, "E:1", "a"));
  await link.expect({ close: 7 });
});

test("commits that a cursor already contains are not applied twice", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  const [first, second] = [await link.expect(open("a")), await link.expect(open("b"))];
  link.send([full(first, 1, "E:5", "a"), full(second, 2, "E:8", "a")]);
  const both = { seq: 7, posts: [post("x")], cursors: { 1: { enter: [{ id: "x", after: "" }] }, 2: { leave: ["a"] } } };
  link.send(both);
  await applied(store, link);
  equal([ids(a.records), ids(b.records)], ["xa", "a"]);
});

test("cursors are renumbered, and may exchange numbers", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  link.send([full(await link.expect(open("a")), 1, "E:1", "a"), full(await link.expect(open("b")), 2, "E:1", "b")]);
  link.send({ seq: 2, cursors: { 1: { to: 2, leave: ["a"] }, 2: { to: 1 } } });
  link.send(enters(3, 1, "x"));
  link.send({ seq: 4, cursors: { 2: { to: 3 } } });
  link.send(enters(5, 3, "y"));
  await applied(store, link);
  equal([ids(a.records), ids(b.records)], ["y", "xb"]);
  a.close();
  await link.expect({ close: 3 });
});

test("a cursor that is renumbered while it is being closed is closed under its new number", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  link.send([full(await link.expect(open("a")), 1, "E:1", "a"), full(await link.expect(open("b")), 2, "E:1", "b")]);
  await b.ready;
  a.close();
  await link.expect({ close: 1 });
  link.send({ seq: 2, cursors: { 1: { to: 5 } } });
  await link.expect({ close: 5 });

  const c = store.cursor("c");
  b.close(); // waits for c
  link.send([{ seq: 3, cursors: { 2: { to: 6 } } }, full(await link.expect(open("c")), 7, "E:3", "c")]);
  await c.ready;
  await link.expect({ close: 6 });
});

test("a refused cursor has the error, and is opened again on the next connection", async () => {
  const { store, link } = await online({ user: "" });
  const list = store.cursor("mine");
  const error = { code: "forbidden", message: "Sign in to see these." };
  link.send({ id: await link.expect(open("mine")), status: 403, error });
  equal((await rejection(list.ready)).code, "forbidden");
  equal([list.error, list.stale], [error, true]);

  link.close(1012);
  const next = await accept();
  await next.greet({ user: "ada" });
  next.send(full(await next.expect(open("mine")), 1, "E:1", "a"));
  await applied(store, next);
  equal([ids(list.records), list.error, list.stale], ["a", null, false]);
});

test("records disappear when a resumed cursor is refused", async () => {
  const { store, link } = await online();
  const list = store.cursor("mine");
  link.send(full(await link.expect(open("mine")), 1, "E:1", "a"));
  await list.ready;
  link.drop();
  const next = await accept();
  await next.greet();
  next.send({ id: await next.expect(open("mine", { since: "E:1" })), status: 403, error: { code: "forbidden", message: "No." } });
  await applied(store, next);
  equal(ids(list.records), "");
});

/** Breaks a connection and accepts the next one. */
function broken(link: Link): Promise<Link> {
  link.drop();
  return accept();
}

test("after a loss a cursor resumes from the last commit of the connection", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  const [first, second] = [await link.expect(open("a")), await link.expect(open("b"))];
  link.send([full(first, 1, "E:5", "a"), enters(6, 1, "b"), full(second, 2, "E:9", "z"), enters(8, 1, "c")]);
  await applied(store, link);

  const notified: string[] = [];
  a.subscribe(records => notified.push(`${ids(records)}${a.stale ? "?" : ""}`));
  const next = await broken(link);
  ok(a.stale && b.stale, "without a connection, cursors are stale");
  equal([ids(a.records), ids(b.records)], ["cba", "z"], "cursors keep their records");

  await next.greet({ seq: 20 });
  const again = await next.expect(open("a", { since: "E:8" }));
  const other = await next.expect(open("b", { since: "E:9" }));
  next.send({
    id: again, status: 200, at: "E:20", cursor: 4, model: "posts", since: "E:8",
    delta: { leave: ["b"], enter: [{ id: "d", after: "a" }] }, posts: [post("d")],
  });
  next.send({ id: other, status: 200, at: "E:20", cursor: 5, model: "posts", since: "E:9", delta: {} });
  next.send(enters(21, 4, "e"));
  await applied(store, next);
  equal(notified, ["cba", "cba?", "cad", "ecad"]);
  equal([ids(b.records), b.stale], ["z", false]);

  const third = await broken(next);
  await third.greet();
  await third.expect(open("a", { since: "E:21" }));
  await third.expect(open("b", { since: "E:21" }));
  const fourth = await broken(third);
  await fourth.greet();
  await fourth.expect(open("a", { since: "E:21" }));
});

test("cursors that resume on another link change together", async () => {
  const { store, link } = await online();
  const [a, b] = [store.cursor("a"), store.cursor("b")];
  const [first, second] = [await link.expect(open("a")), await link.expect(open("b"))];
  link.send([full(first, 1, "E:5", "a"), full(second, 2, "E:5", "a")]);
  await applied(store, link);
  const shown: string[] = [];
  for (const list of [a, b]) list.subscribe(() => shown.push(`${ids(a.records)} ${ids(b.records)}${a.stale || b.stale ? "?" : ""}`));

  const resumed = (id: number, cursor: number, entered: string): object => ({
    id, status: 200, at: "E:6", cursor, model: "posts", since: "E:5", delta: { enter: [{ id: entered, after: "" }] }, posts: [post(entered)],
  });
  link.move({ seq: 6 });
  const [again, other] = [await link.expect(open("a", { since: "E:5" })), await link.expect(open("b", { since: "E:5" }))];
  const called = store.call("POST /posts", {});
  const call = await link.expect({ call: "POST /posts", in: {} });
  link.send(resumed(again, 3, "b"));
  link.send({ id: call, status: 200, out: 1 });
  link.send(enters(7, 3, "c"));
  link.send(resumed(other, 4, "b"));
  link.send({ seq: 8, posts: [post("d")], cursors: { 3: { enter: [{ id: "d", after: "" }] }, 4: { enter: [{ id: "d", after: "" }] } } });
  equal((await called).out, 1);
  await applied(store, link);
  equal([...new Set(shown)], ["a a", "cba ba", "dcba dba"], "what was shown");

  link.move({ seq: 8 });
  const last = await link.expect(open("a", { since: "E:8" }));
  await link.expect(open("b", { since: "E:8" }));
  const answered = store.call("POST /posts", {});
  link.send([{ id: await link.expect({ call: "POST /posts", in: {} }), status: 200, out: 2 }, resumed(last, 5, "e")]);
  link.close(1012); // a drop may overtake what was sent
  equal((await answered).out, 2, "an answer that was held when the link broke");
  await state(store, ({ online }) => !online);
  ok(a.stale && b.stale, "they are stale then");
});

test("the server's seq does not count as applied", async () => {
  const { store, link } = await online({ seq: 900 });
  const list = store.cursor("a");
  link.send(full(await link.expect(open("a")), 1, "E:899", "abc"));
  await list.ready;
  const next = await broken(link);
  await next.greet({ seq: 901 });
  await next.expect(open("a", { since: "E:899" }));
});

test("a resync replaces the records", async () => {
  const { store, link } = await online();
  const list = store.cursor("a");
  link.send(full(await link.expect(open("a")), 1, "E:5", "abc"));
  await list.ready;
  const next = await broken(link);
  await next.greet();
  next.send(full(await next.expect(open("a", { since: "E:5" })), 1, "E:900", "cx", { resync: "expired" }));
  await applied(store, next);
  equal(ids(list.records), "cx");
});

for (const [what, change] of [["epoch", { epoch: "F" }], ["build", { build: "b2" }], ["user", { user: "bob" }]] as const) {
  test(`another ${what} starts over`, async () => {
    const { store, link } = await online();
    const list = store.cursor("a");
    link.send(full(await link.expect(open("a")), 1, "E:900", "abc"));
    await list.ready;
    const next = await broken(link);
    await next.greet(change);
    next.send([full(await next.expect(open("a")), 1, "F:3", "x"), enters(4, 1, "y")]);
    await applied(store, next);
    equal(ids(list.records), "yx");
  });
}

test("a call is answered with status, output and problems", async () => {
  const { store, link } = await online();
  const created = store.call<Post>("POST /posts", { title: "Hi" });
  link.send({ id: await link.expect({ call: "POST /posts", in: { title: "Hi" } }), status: 201, at: "E:1", out: post("a") });
  equal(await created, { status: 201, out: post("a"), error: null, problems: {}, location: "", session: false, repeated: false });

  const refused = store.call("POST /posts");
  const error = { code: "invalid", message: "No.", problems: { title: ["is required"] } };
  link.send({ id: await link.expect({ call: "POST /posts", in: {} }), status: 422, error });
  const result = await refused;
  equal([result.status, result.error, result.problems], [422, error, error.problems]);
});

test("calls have growing keys, or a given one", async () => {
  const { store, link } = await online();
  const calls = [store.call("POST /a"), store.call("POST /b"), store.call("POST /c", {}, { key: "mine" })];
  const frames = [await link.next(), await link.next(), await link.next()];
  ok(frames[0]!.key < frames[1]!.key && frames[0]!.key.length === 26, "keys are ULIDs in order");
  equal(frames[2]!.key, "mine");
  for (const { id } of frames.reverse()) link.send({ id, status: 200, out: id });
  const outs = (await Promise.all(calls)).map(result => result.out);
  equal(outs, frames.reverse().map(frame => frame.id), "answers find their calls");
});

test("an answer arrives after notifications of its own effects", async () => {
  const { store, link } = await online();
  const list = store.cursor("a");
  link.send(full(await link.expect(open("a")), 1, "E:0", ""));
  await list.ready;
  let notified = "";
  list.subscribe(records => (notified = ids(records)));
  const created = store.call("POST /posts");
  const id = await link.expect({ call: "POST /posts", in: {} });
  link.send([enters(1, 1, "a"), { id, status: 201, at: "E:1" }]);
  await created;
  equal(notified, "a");
});

test("a call waits for the connection, behind the cursors", async () => {
  const store = await newStore();
  const called = store.call("POST /posts", { n: 1 });
  const list = store.cursor("a");
  const link = await accept();
  await link.greet();
  const id = await link.expect(open("a"));
  link.send([full(id, 1, "E:0", ""), { id: await link.expect({ call: "POST /posts", in: { n: 1 } }), status: 200 }]);
  equal((await called).status, 200);
  ok(!list.stale, "the cursor is open");
});

test("a signal stops the wait", async () => {
  const store = await newStore();
  const cancel = new AbortController();
  const waiting = rejection(store.call("POST /posts", {}, { signal: cancel.signal }));
  cancel.abort(new Error("enough"));
  equal((await waiting).message, "enough");
  equal((await rejection(store.call("POST /posts", {}, { signal: cancel.signal }))).message, "enough");

  const link = await accept();
  await link.greet();
  await applied(store, link); // the aborted call was not sent
});

test("calls that lose their connection are sent again with the same key", async () => {
  const { store, link } = await online();
  const calls = [store.call("POST /posts", { n: 1 }), store.call("POST /posts", new URLSearchParams("n=2"))];
  const lost = [await link.next(), await link.next()];
  link.drop();
  await state(store, ({ online }) => !online);
  const later = store.call("POST /posts", { n: 3 });
  const next = await accept();
  await next.greet({ build: "b2" });
  const again = [await next.next(), await next.next()];
  const same = ({ id, ...frame }: Received) => frame;
  equal(again.map(same), lost.map(same));
  next.send({ id: again[1]!.id, status: 200, out: 2 });
  next.send({ id: again[0]!.id, status: 201, out: 1, repeated: true });
  next.send({ id: await next.expect({ call: "POST /posts", in: { n: 3 } }), status: 200, out: 3 });
  const results = await Promise.all([...calls, later]);
  equal(results.map(({ out, repeated }) => [out, repeated]), [[1, true], [2, false], [3, false]]);
});

test("an aborted call is not sent again", async () => {
  const { store, link } = await online();
  const cancel = new AbortController();
  const abandoned = rejection(store.call("POST /posts", {}, { signal: cancel.signal }));
  await link.next();
  cancel.abort(new Error("enough"));
  equal((await abandoned).message, "enough");
  link.drop();
  const next = await accept();
  await next.greet();
  await applied(store, next);
});

test("a call is not sent again as another user", async () => {
  const { store, link } = await online();
  const lost = rejection(store.call("POST /posts"));
  await link.next();
  link.close(1012, "restart");
  const next = await accept();
  await next.greet({ user: "bob" });
  const error = await lost;
  equal(error.code, "disconnected");
  ok(error.message.includes("restart"), `the message does not say why: ${error.message}`);
  await applied(store, next);
});

test("pushes reach their listeners", async () => {
  const { store, link } = await online();
  const notified: unknown[] = [];
  const stop = store.on("POST /announce", push => notified.push(push));
  store.on("POST /announce", () => notified.push("second"));
  link.send([{ push: "POST /announce", status: 200, out: { text: "Hi" } }, { push: "POST /other", status: 200 }]);
  await applied(store, link);
  equal(notified, [{ status: 200, out: { text: "Hi" }, error: null }, "second"]);
  stop();
  link.send({ push: "POST /announce", status: 200 });
  await applied(store, link);
  equal(notified.length, 3);
});

test("a commit is acknowledged after its notifications, and after drawing in a microtask", async () => {
  const { store, link } = await online();
  const list = store.cursor("a");
  link.send(full(await link.expect(open("a")), 1, "E:0", ""));
  await list.ready;
  let drawn = "";
  list.subscribe(records => queueMicrotask(() => (drawn = ids(records))));
  const { fetch } = window;
  const { send } = WebSocket.prototype;
  after(() => {
    window.fetch = fetch;
    WebSocket.prototype.send = send;
  });
  let drawnBefore = "?";
  const look = (data: unknown) => {
    if (String(data).includes("applied")) drawnBefore = drawn;
  };
  WebSocket.prototype.send = function (data: string) {
    look(data);
    send.call(this, data);
  };
  window.fetch = (url, init) => {
    look(init?.body);
    return fetch(url, init);
  };
  link.send({ ...enters(1, 1, "a"), ack: true });
  equal(await link.next(), { applied: 1 });
  equal(drawnBefore, "a");
});

test("a new session is stored, and the store reconnects with it", async () => {
  const { store, link } = await online({ user: "" });
  const list = store.cursor("a");
  link.send(full(await link.expect(open("a")), 1, "E:1", "a"));
  await list.ready;
  const signedIn = store.call("POST /session");
  const id = await link.expect({ call: "POST /session", in: {} });
  link.send({ id, status: 200, session: "ticket", location: "/" });
  equal(await ticket(), "text/plain;charset=UTF-8 ticket");
  const result = await signedIn;
  equal([result.session, result.location], [true, "/"]);
  await link.ended;

  const next = await accept();
  await next.greet({ user: "ada" });
  next.send(full(await next.expect(open("a")), 1, "E:1", "ab"));
  await applied(store, next);
  equal([store.state.user, ids(list.records)], ["ada", "ab"]);
});

test("a rejected session fails the call", async () => {
  const { store, link } = await online();
  const signedIn = rejection(store.call("POST /session"));
  link.send({ id: await link.expect({ call: "POST /session", in: {} }), status: 200, session: "refused" });
  await ticket();
  equal((await signedIn).code, "session");
});

test("what the server refuses for a while is sent again no earlier than it says", async () => {
  const { setTimeout } = window;
  after(() => (window.setTimeout = setTimeout));
  const waits: number[] = [];
  window.setTimeout = ((run: () => void, ms = 0) => {
    const long = ms >= 70_000 && ms < 80_000;
    if (long) waits.push(ms);
    return setTimeout(run, long ? 0 : ms);
  }) as typeof window.setTimeout;
  const status = 429;
  const error = { code: "too_many", message: "try again in 70s", retryAfter: 70 };

  const { store, link } = await online();
  const list = store.cursor<Post>("posts.published");
  const first = { open: "posts.published", in: {} };
  link.send({ id: await link.expect(first), status, error });
  link.send(full(await link.expect(first), 1, "E:1", "ab"));
  await applied(store, link);
  equal([ids(list.records), list.error, waits.length], ["ab", null, 1]);

  link.send({ seq: 2, cursors: { 1: { closed: error } } });
  link.send(full(await link.expect(first), 1, "E:3", "b"));
  await applied(store, link);
  equal([ids(list.records), list.error, waits.length], ["b", null, 2]);

  const write = store.write("POST /posts", { title: "Hi" });
  const { key, ...sent } = await link.next();
  link.send({ id: sent.id, status, error });
  const again = await link.next();
  equal([again.call, again.key, waits.length], ["POST /posts", key, 3]);
  link.send({ id: again.id, status: 201 });
  equal((await write).status, 201);

  link.drop();
  const refusing = await accept();
  refusing.send({ status, error });
  await state(store, ({ closed }) => closed?.retryAfter === 70);
  const back = await accept();
  await back.greet();
  await state(store, ({ online }) => online);
  equal(waits.length, 4);
});

test("connect returns one store for equal options", () => {
  const store = connect({ url: "/_tower/socket?test=0" });
  after(() => store.close());
  ok(connect({ url: "/_tower/socket?test=0" }) === store, "the store is shared");
  store.close();
  store.close();
  ok(store.ended, "the store has ended");
  const next = connect({ url: "/_tower/socket?test=0" });
  ok(next !== store, "after its end there is a new store");
  next.close();
});

test("a value notifies only of changes", async () => {
  const { store, link } = await online();
  const many = store.value("posts.howMany");
  ok(store.value("posts.howMany") === many, "equal requests share a value");
  equal([many.value, many.stale], [undefined, true]);
  const notified: unknown[] = [];
  many.subscribe(value => notified.push(value));
  link.send({ id: await link.expect(open("posts.howMany")), status: 200, at: "E:5", cursor: 19, model: "posts", value: 12 });
  equal(await many.ready, 12);
  link.send({ seq: 6, cursors: { 19: { value: 13 } } });
  link.send({ seq: 7, cursors: { 19: { to: 20 } } });
  link.send({ seq: 8, cursors: { 20: { value: null } } });
  await applied(store, link);
  equal(notified, [undefined, 12, 13, 13, null]);
  link.send({ seq: 9, cursors: { 20: { closed: { code: "forbidden", message: "no" } } } });
  await applied(store, link);
  equal([many.value, many.stale, many.error?.code], [undefined, true, "forbidden"]);
});
