// A client's write shows immediately. The server's answer replaces it.

import type { TowerError } from "../src/wire/error";
import type { Store } from "../src/store/store";
import type { Scope } from "../src/wire/frames";
import { after, equal, ok, test } from "./runner";
import { accept, applied, online, state, type Link } from "./server";

interface Post {
  id: string;
  title: string;
  published: boolean;
  createdAt: string;
  updatedAt: string;
}

const fields = { id: "string", title: "string", published: "bool", note: "string?", createdAt: "time", updatedAt: "time" };
const at = (n: number) => `2026-01-01T00:00:0${n}Z`;
const post = (id: string, n: number, more: Partial<Post> = {}): Post => ({ id, title: id, published: true, createdAt: at(n), updatedAt: at(n), ...more });
const ids = (records: readonly { id: string }[]) => records.map(record => record.id).join("");

let lastNumber = 0;

/** Opens a cursor with these records and this scope. */
async function opened(store: Store, link: Link, name: string, posts: Post[], scope: Omit<Scope, "fields"> = {}) {
  const list = store.cursor<Post>(name);
  const number = ++lastNumber;
  const id = await link.expect({ open: name, in: {} });
  link.send({ id, status: 200, at: "E:0", cursor: number, model: "posts", scope: { fields, ...scope }, ids: posts.map(({ id }) => id), posts });
  await list.ready;
  return { list, number };
}

const newest = { order: ["-createdAt"] };

test("a record appears immediately, and stays when the server has it", async () => {
  const { store, link } = await online();
  const { list, number } = await opened(store, link, "posts.all", [post("b", 2), post("a", 1)], newest);
  const notified: string[] = [];
  after(list.subscribe(records => notified.push(`${ids(records)} ${[...list.pending]} ${store.state.pending}`)));
  const created = store.model<Post>("posts").create({ id: "c", title: "C" });
  equal(list.records[0], { id: "c", title: "C", published: false, note: null, createdAt: list.records[0]!.createdAt, updatedAt: list.records[0]!.updatedAt });
  equal([list.count, created.id], [3, "c"]);

  const id = await link.expect({ call: "POST /posts", in: { id: "c", title: "C" } });
  const made = post("c", 3, { title: "C!" });
  link.send({ seq: 1, posts: [made], cursors: { [number]: { enter: [{ id: "c", after: "" }] } } });
  await applied(store, link);
  equal(list.records[0], made, "the server's record shows before the answer");
  ok(list.pending.has("c"), "it is pending until the answer");
  link.send({ id, status: 201, at: "E:1", out: made });
  equal((await created).status, 201);
  equal([list.pending.size, store.state.pending], [0, 0]);
  equal(notified, ["ba  0", "cba c 1", "cba c 1", "cba  0"]);
});

test("several writes change several cursors in one turn", async () => {
  const { store, link } = await online();
  const drafts = await opened(store, link, "posts.drafts", [post("a", 1, { published: false })], { where: { published: false } });
  const public_ = await opened(store, link, "posts.public", [post("b", 2)], { where: { published: true }, ...newest });
  const notified: string[] = [];
  const both = () => notified.push(`${ids(drafts.list.records)}|${ids(public_.list.records)}`);
  after(drafts.list.subscribe(both));
  after(public_.list.subscribe(both));
  notified.length = 0;
  void store.model<Post>("posts").update("a", { published: true });
  equal(notified, ["|ba", "|ba"]);
  const before = public_.list.getSnapshot();
  link.send({ seq: 1 });
  await applied(store, link);
  ok(public_.list.getSnapshot() === before, "while nothing changes, the snapshot stays the same");
});

test("others' changes show with this client's writes applied", async () => {
  const { store, link } = await online();
  const { list, number } = await opened(store, link, "posts.all", [post("a", 1)]);
  const posts = store.model<Post>("posts");
  void posts.update("a", { title: "mine" });
  void posts.update("a", { published: false });
  link.send({ seq: 1, posts: [post("a", 1, { title: "theirs", note: "new" } as Partial<Post>)], cursors: { [number]: { change: [{ id: "a" }] } } });
  const first = await link.expect({ call: "PATCH /posts/a", in: { title: "mine" } });
  await applied(store, link);
  const { updatedAt, ...shown } = list.records[0]!;
  equal(shown, { id: "a", title: "mine", published: false, note: "new", createdAt: at(1) });
  link.send({ id: first, status: 422, error: { code: "invalid", message: "no", problems: { title: ["is taken"] } } });
  await link.expect({ call: "PATCH /posts/a", in: { published: false } });
  equal([list.records[0]!.title, list.records[0]!.published], ["theirs", false], "the first write is undone, the second is not");
});

test("a refused write is undone, and its caller gets the error", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.all", [post("a", 1), post("b", 2)]);
  const posts = store.model<Post>("posts");
  const writes = [posts.delete("a"), posts.create({ id: "c", title: "" })];
  equal(ids(list.records), "bc");
  link.send({ id: await link.expect({ call: "DELETE /posts/a", in: {} }), status: 403, error: { code: "forbidden", message: "Not yours." } });
  const problems = { title: ["is required"] };
  link.send({ id: await link.expect({ call: "POST /posts", in: { id: "c", title: "" } }), status: 422, error: { code: "invalid", message: "no", problems } });
  const [deleted, created] = await Promise.all(writes);
  equal([deleted!.error?.code, created!.problems], ["forbidden", problems]);
  equal(ids(list.records), "ab");
  equal(store.refused.value, [], "awaited writes are not listed");
});

test("a refused deletion is taken back, with the server's code and words", async () => {
  const { store, link } = await online();
  const { list, number } = await opened(store, link, "posts.all", [post("a", 1), post("b", 2)]);
  const posts = store.model<Post>("posts");
  const error = { code: "conflict", message: "other records refer to it; delete or change them first" };
  const deletion = posts.delete("a");
  equal(ids(list.records), "b");
  link.send({ id: await link.expect({ call: "DELETE /posts/a", in: {} }), status: 409, error });
  const answer = await deletion;
  equal([answer.status, answer.error?.code, answer.error?.message, answer.problems], [409, "conflict", error.message, {}]);
  equal([ids(list.records), list.count, list.pending.size], ["ab", 2, 0]);

  posts.delete("a");
  equal(ids(list.records), "b");
  link.send({ id: await link.expect({ call: "DELETE /posts/a", in: {} }), status: 409, error });
  await applied(store, link);
  equal(ids(list.records), "ab", "nobody awaits the answer, and the record is back");
  const [refused] = store.refused.value;
  equal([refused!.error.code, refused!.error.message], ["conflict", error.message]);

  refused!.retry();
  equal(ids(list.records), "b");
  const again = await link.expect({ call: "DELETE /posts/a", in: {} });
  link.send({ seq: 1, cursors: { [number]: { leave: ["a"] } } });
  link.send({ id: again, status: 200, at: "E:1" });
  await applied(store, link);
  equal([ids(list.records), store.refused.value.length], ["b", 0], "once nothing refers to it, the deletion holds");
});

test("null, a value and a field that is not sent are three different writes", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.all", [post("a", 1, { note: "old" } as Partial<Post>)]);
  const posts = store.model<Post & { note: string | null }>("posts");
  const shown = () => (list.records[0] as unknown as { note: string | null }).note;
  for (const [change, note] of [[{ title: "t" }, "old"], [{ note: null }, null], [{ note: "new" }, "new"]] as const) {
    const write = posts.update("a", change);
    equal(shown(), note);
    const sent = await link.next();
    equal([sent.call, sent.in], ["PATCH /posts/a", change]);
    link.send({ id: sent.id, status: 422, error: { code: "invalid", message: "no" } });
    await write;
    equal(shown(), "old", "what is refused is taken back");
  }
});

test("a refused write that no caller awaits is listed, with its problems, until it is dismissed", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.all", [post("a", 1)]);
  const posts = store.model<Post>("posts");
  const notified: number[] = [];
  after(store.refused.subscribe(refused => notified.push(refused.length)));
  posts.update("a", { title: "" });
  const refuse = async (call: object) => {
    const error = { code: "invalid", message: "no", problems: { title: ["is required"] } };
    link.send({ id: await link.expect(call), status: 422, error });
    await applied(store, link);
  };
  await refuse({ call: "PATCH /posts/a", in: { title: "" } });
  equal([list.records[0]!.title, posts.problems("a"), posts.problems("b")], ["a", { title: ["is required"] }, {}]);

  const again = store.refused.value[0]!.retry();
  equal([list.records[0]!.title, store.refused.value.length], ["", 0], "it is sent once more");
  await refuse({ call: "PATCH /posts/a", in: { title: "" } });
  const [refused] = store.refused.value;
  ok(refused!.key === again.key, "it is a new write");
  refused!.dismiss();
  equal(notified, [0, 1, 0, 1, 0]);
});

test("writes are sent one by one, in order, after the cursors, and again on the next connection", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.all", [post("a", 1)]);
  const posts = store.model<Post>("posts");
  posts.update("a", { title: "1" });
  posts.update("a", { title: "2" });
  const sent = await link.next();
  equal(sent.in, { title: "1" });
  link.drop();
  await state(store, ({ online }) => !online);
  posts.update("a", { title: "3" });
  equal([list.records[0]!.title, list.stale, store.state.pending], ["3", true, 3]);

  const next = await accept();
  await next.greet();
  const reopened = await next.expect({ open: "posts.all", in: {}, since: "E:0" });
  const again = await next.next();
  equal([again.call, again.in, again.key], [sent.call, sent.in, sent.key]);
  next.send({ id: reopened, status: 200, at: "E:1", cursor: 77, model: "posts", since: "E:0", scope: { fields }, delta: { change: [{ id: "a" }] }, posts: [post("a", 1, { title: "1" })] });
  next.send({ id: again.id, status: 200, repeated: true, out: null });
  for (const title of ["2", "3"]) {
    next.send({ id: await next.expect({ call: "PATCH /posts/a", in: { title } }), status: 200 });
    equal(list.records[0]!.title, "3", "the last write always shows");
  }
  await applied(store, next);
  equal(store.state.pending, 0);
});

test("a write is retried while the server is not ready", async () => {
  const { store, link } = await online();
  const written = store.write("POST /posts");
  const first = await link.next();
  link.send({ id: first.id, status: 503, error: { code: "unavailable", message: "try again" } });
  const second = await link.next();
  equal([second.call, second.key], [first.call, first.key]);
  link.send({ id: second.id, status: 200 });
  equal((await written).status, 200);
});

test("writes belong to their user", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.all", []);
  const posts = store.model<Post>("posts");
  posts.create({ id: "a" });
  const waited = posts.create({ id: "b" }).then(() => "", error => (error as TowerError).code);
  await link.next();
  link.close(1012);
  const bobs = await accept();
  await bobs.greet({ user: "bob" });
  const open = async (link: Link) =>
    link.send({ id: await link.expect({ open: "posts.all", in: {} }), status: 200, at: "E:0", cursor: 9, model: "posts", scope: { fields }, ids: [], posts: [] });
  await open(bobs);
  await applied(store, bobs); // nothing else has been sent
  equal([list.records, store.state.pending, await waited], [[], 0, "user"]);

  bobs.close(1012);
  const back = await accept();
  await back.greet();
  await open(back);
  for (const id of ["a", "b"]) back.send({ id: await back.expect({ call: "POST /posts", in: { id } }), status: 201 });
  await applied(store, back);
});

test("a write enters a window only between known neighbors", async () => {
  const { store, link } = await online();
  const scope = { order: ["title"], limit: 3 };
  const { list } = await opened(store, link, "posts.first", [post("b", 1), post("d", 2), post("f", 3)], scope);
  const posts = store.model<Post>("posts");
  void posts.create({ id: "g", title: "g" });
  equal(ids(list.records), "bdf", "a record beyond the window does not show");
  void posts.create({ id: "c", title: "c" });
  equal(ids(list.records), "bcd");
  void posts.update("b", { title: "e" });
  equal(ids(list.records), "cdb");
  void posts.delete("d");
  equal(ids(list.records), "cbf");
});

test("with a rule that only the server knows, only records created here enter", async () => {
  const { store, link } = await online();
  await opened(store, link, "posts.all", [post("a", 1, { published: false })]);
  const { list, number } = await opened(store, link, "posts.seen", [post("b", 2)], { where: { published: true }, rule: true });
  const posts = store.model<Post>("posts");
  void posts.update("a", { published: true });
  await link.next();
  equal(ids(list.records), "b");
  void posts.create({ id: "c", published: true });
  equal(ids(list.records), "bc");
  void posts.update("b", { published: false });
  equal(ids(list.records), "c");

  link.send({ seq: 1, cursors: { [number]: { to: 500, scope: { fields, where: { published: true } } } } });
  await applied(store, link);
  equal(ids(list.records), "ac", "a scope without a rule lets the record enter");
});

test("a visible record stays when the list that delivered it closes", async () => {
  const { store, link } = await online();
  const drafts = await opened(store, link, "posts.drafts", [post("a", 1, { published: false })], { where: { published: false } });
  const { list } = await opened(store, link, "posts.public", [], { where: { published: true } });
  void store.model<Post>("posts").update("a", { published: true });
  await link.next();
  drafts.list.close();
  await link.expect({ close: drafts.number });
  equal(list.records.map(({ title }) => title), ["a"]);
});

test("any action can have effects", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.all", [post("a", 1), post("b", 2)]);
  const done = store.write("POST /posts/archive", { before: new Date(0) }, [
    { op: "delete", model: "posts", id: "a" },
    { op: "update", model: "posts", id: "b", set: { title: "B", unheard: 1, published: null } },
  ]);
  equal(list.records.map(({ id, title, published }) => [id, title, published]), [["b", "B", true]]);
  const id = await link.expect({ call: "POST /posts/archive", in: { before: "1970-01-01T00:00:00.000Z" } });
  link.send({ id, status: 200, out: 2 });
  equal((await done).out, 2);
});

test("a new record is newer than all known records", async () => {
  const { store, link } = await online();
  const future = "2999-01-01T00:00:00.5Z";
  const { list } = await opened(store, link, "posts.all", [post("b", 2, { createdAt: future })], newest);
  const posts = store.model<Post>("posts");
  void posts.create({ id: "x" });
  void posts.create({ id: "w" });
  equal(ids(list.records), "wxb");
});

test("a write that is too large for the server is refused, and the others continue", async () => {
  const { store, link } = await online();
  const written = store.write("POST /posts", { title: "x".repeat(100) });
  await link.next();
  link.close(1009);
  const next = await accept();
  await next.greet();
  const { status, error } = await written;
  equal([status, error?.code], [413, "too_large"]);
  await applied(store, next);
});

test("without a database, writes are not durable", async () => {
  const { store } = await online();
  equal(store.state.durable, false);
});

test("what JSON cannot carry is refused, and not sent as null", async () => {
  const { store, link } = await online();
  const { list } = await opened(store, link, "posts.uncarried", [post("a", 1)]);
  const posts = store.model<any>("posts");
  for (const [value, problem] of [
    [NaN, "is NaN, which cannot be sent"],
    [-Infinity, "is -Infinity, which cannot be sent"],
    [new Date(NaN), "is not a time"],
    [new Map(), "is a Map or a Set, which cannot be sent"],
    [1n, "is a bigint; send its digits as a string"],
    [() => 1, "is a function, which cannot be sent"],
    ["a\ud800", "is not valid Unicode text"],
  ] as const) {
    const written = await posts.update("a", { title: value });
    equal([written.status, written.problems], [422, { title: [problem] }]);
    equal((await store.call("POST /posts", { lines: [{ price: value }] })).problems, { "lines.0.price": [problem] });
    let thrown: unknown;
    try {
      store.cursor("posts.uncarried", { title: value });
    } catch (error) {
      thrown = error;
    }
    equal((thrown as TowerError).message, `posts.uncarried: title ${problem}`);
    equal(list.records[0], post("a", 1), "nothing shows");
  }
  equal((await store.call("POST /posts", { list: [undefined] })).status, 422);

  posts.update("a", { title: NaN });
  await new Promise(resolve => setTimeout(resolve));
  equal(posts.problems("a"), { title: ["is NaN, which cannot be sent"] }, "a write that no caller awaits is listed");
  store.refused.value[0]!.retry();
  await new Promise(resolve => setTimeout(resolve));
  equal([store.refused.value.length, store.state.pending], [1, 0]);

  posts.update("a", { title: "b", note: null, author: undefined });
  await link.expect({ call: "PATCH /posts/a", in: { title: "b", note: null } });
});
