// The data on the device. Two stores with one name act as two pages. The last test
// uses real pages.

import type { Store } from "../src/store/store";
import { saved, storedWrites } from "./device";
import { after, equal, ok, seen, test } from "./runner";
import { accept, applied, newStore, ready, refuse, state, type Link } from "./server";

interface Post {
  id: string;
  title: string;
}

const fields = { id: "string", title: "string", createdAt: "time", updatedAt: "time" };
const error = { code: "invalid", message: "no", problems: { title: ["is required"] } };

/** Returns the store of a page. */
const page = (name = "queue"): Promise<Store> => newStore(name);

/** Returns the server's side of a store's connection, after the store has opened its database. */
async function greeted(store: Store, user = "ada"): Promise<Link> {
  const link = await accept();
  await link.greet({ user });
  await state(store, ({ online, durable }) => online && durable);
  return link;
}

/** Creates two unsent writes of a page that has ended. */
async function leaveTwo(name?: string): Promise<void> {
  const store = await page(name);
  const link = await greeted(store);
  await refuse(true);
  link.drop();
  await state(store, ({ online }) => !online);
  const posts = store.model<Post>("posts");
  posts.create({ id: "a", title: "A" });
  posts.update("a", { title: "B" });
  await saved(2);
  store.close();
  await refuse(false);
}

/** Resolves once a number of refused writes is listed. */
function listed(store: Store, count: number): Promise<void> {
  return new Promise(done => after(store.refused.subscribe(({ length }) => length === count && done())));
}

test("writes outlive their page, and the next page sends them in order", async () => {
  await leaveTwo();
  const store = await page();
  const link = await greeted(store);
  const create = await link.next();
  equal([create.call, create.in], ["POST /posts", { title: "A", id: "a" }]);
  link.send({ id: create.id, status: 201, at: "E:1" });
  link.send({ id: await link.expect({ call: "PATCH /posts/a", in: { title: "B" } }), status: 200, at: "E:2" });
  await state(store, ({ pending }) => pending === 0);
  equal(await storedWrites(), []);
});

test("the next page sends an unanswered write again, with its key", async () => {
  const store = await page();
  const link = await greeted(store);
  store.model("posts").delete("a");
  const sent = await link.next();
  store.close();
  await link.ended;
  const next = await page();
  const again = await (await greeted(next)).next();
  equal([again.call, again.key], [sent.call, sent.key]);
});

test("a page keeps its writes while it lives", async () => {
  const one = await page();
  const first = await greeted(one);
  one.model("posts").delete("a");
  const sent = await first.next();
  const two = await page();
  const second = await greeted(two);
  two.model("posts").delete("b");
  second.send({ id: await second.expect({ call: "DELETE /posts/b", in: {} }), status: 200 });
  await applied(two, second); // none of the other page's writes
  one.close();
  const inherited = await second.next();
  equal([inherited.call, inherited.key], [sent.call, sent.key]);
});

test("writes of one user are not sent as another", async () => {
  await leaveTwo();
  const store = await page();
  const bobs = await greeted(store, "bob");
  store.model("posts").delete("b");
  bobs.send({ id: await bobs.expect({ call: "DELETE /posts/b", in: {} }), status: 200 });
  await applied(store, bobs);
  equal(store.state.pending, 0);
  bobs.close(1012);
  const adas = await accept();
  await adas.greet({ user: "ada" });
  await adas.expect({ call: "POST /posts", in: { title: "A", id: "a" } });
  equal(store.state.pending, 2);
});

test("every page lists a refused write until it is dismissed", async () => {
  await leaveTwo();
  const store = await page();
  const link = await greeted(store);
  link.send({ id: (await link.next()).id, status: 422, error });
  link.send({ id: (await link.next()).id, status: 404, error: { code: "not_found", message: "gone" } });
  await applied(store, link);
  equal(store.refused.value.map(({ call, error }) => [call, error.code]), [["POST /posts", "invalid"], ["PATCH /posts/a", "not_found"]]);
  equal(store.model("posts").problems("a"), { ...error.problems, "": ["gone"] });

  const other = await page();
  await greeted(other);
  await listed(other, 2);
  for (const refused of store.refused.value) refused.dismiss();
  await listed(other, 0);
  equal(await storedWrites(), []);
});

test("a write is not sent again after half a day: it may have taken effect", async () => {
  const store = await page();
  const link = await greeted(store);
  store.model("posts").delete("a");
  await link.next();
  store.close();
  const { now } = Date;
  after(() => (Date.now = now));
  Date.now = () => now() + 13 * 3600_000;
  const next = await page();
  const other = await greeted(next);
  await listed(next, 1);
  equal(next.refused.value[0]!.error.code, "uncertain");
  await applied(next, other);
});

test("writes work without a database", async () => {
  const { open } = indexedDB;
  after(() => (indexedDB.open = open));
  indexedDB.open = () => {
    throw new Error("private");
  };
  const store = await newStore("none");
  const link = await accept();
  await link.greet();
  const written = store.model("posts").delete("a");
  link.send({ id: await link.expect({ call: "DELETE /posts/a", in: {} }), status: 200 });
  equal([(await written).status, store.state.durable], [200, false]);
});

test("a write does not survive before the user is known", async () => {
  const store = await page();
  const written = store.model("posts").delete("a");
  await saved(0);
  equal([store.state.pending, store.state.durable, await storedWrites()], [1, false, []]);
  const link = await greeted(store);
  await saved(1);
  link.send({ id: await link.expect({ call: "DELETE /posts/a", in: {} }), status: 200 });
  equal((await written).status, 200);
});

test("a full disk does not delay a write", async () => {
  const store = await page();
  const link = await greeted(store);
  const { put } = IDBObjectStore.prototype;
  after(() => (IDBObjectStore.prototype.put = put));
  IDBObjectStore.prototype.put = function (...args) {
    if (this.name === "writes") throw new DOMException("full", "QuotaExceededError");
    return put.apply(this, args);
  };
  const written = store.model("posts").delete("a");
  link.send({ id: await link.expect({ call: "DELETE /posts/a", in: {} }), status: 200 });
  equal([(await written).status, store.state.durable], [200, false]);
});

test("stored records appear before the server is reached", async () => {
  const store = await page();
  const link = await greeted(store);
  const list = store.cursor<Post>("posts.all", {}, { keep: true });
  const posts = [{ id: "a", title: "A" }];
  const id = await link.expect({ open: "posts.all", in: {} });
  link.send({ id, status: 200, at: "E:5", cursor: 1, model: "posts", scope: { fields }, ids: ["a"], posts });
  await list.ready;
  document.dispatchEvent(new Event("visibilitychange"));
  store.close();
  await link.ended;

  await refuse(true);
  const cold = await page();
  const kept = cold.cursor<Post>("posts.all", {}, { keep: true });
  await new Promise<void>(done => after(kept.subscribe(({ length }) => length && done())));
  equal([kept.records, kept.stale, cold.state.user, cold.state.online], [posts, true, "ada", false]);
  void cold.model<Post>("posts").create({ id: "b", title: "B" });
  equal(kept.records.map(({ id }) => id), ["a", "b"], "new writes also show");
  await saved(1);
  cold.close();

  const again = await page();
  const notified: string[][] = [];
  await new Promise<void>(done =>
    after(again.cursor<Post>("posts.all", {}, { keep: true }).subscribe(list => list.length && notified.push(list.map(({ id }) => id)) && done())),
  );
  equal(notified, [["a", "b"]], "with earlier writes applied, from the start");
  await refuse(false);
  dispatchEvent(new Event("online"));
  const next = await accept();
  await next.greet();
  await next.expect({ open: "posts.all", in: {}, since: "E:5" });
  await next.expect({ call: "POST /posts", in: { id: "b", title: "B" } });
});

test("records of another user or another server are deleted", async () => {
  for (const change of [{ user: "bob" }, { epoch: "F" }, { build: "b2" }]) {
    const name = Object.keys(change)[0]!;
    const store = await page(name);
    const link = await greeted(store);
    const list = store.cursor<Post>("posts.all", {}, { keep: true });
    link.send({ id: await link.expect({ open: "posts.all", in: {} }), status: 200, at: "E:5", cursor: 1, model: "posts", ids: ["a"], posts: [{ id: "a" }] });
    await list.ready;
    document.dispatchEvent(new Event("visibilitychange"));
    store.close();
    await link.ended;

    const other = await page(name);
    const next = await accept();
    await next.greet(change);
    await state(other, ({ online }) => online);
    const fresh = other.cursor<Post>("posts.all", {}, { keep: true });
    await next.expect({ open: "posts.all", in: {} });
    await applied(other, next);
    equal(fresh.records, []);
    other.close();
  }
});

test("a page that reloads without a connection continues where it was", async () => {
  await ready;
  await fetch("/pages/app", { method: "PUT", body: `<!doctype html><body><script type="module" src="/_tower/tower.js"></script>` });
  const frame = document.body.appendChild(document.createElement("iframe"));
  const loaded = () => new Promise<void>(done => frame.addEventListener("load", () => done(), { once: true }));
  const root = () => frame.contentDocument!.documentElement;
  frame.src = "/pages/app";
  await loaded();
  const link = await accept();
  await link.greet();
  await seen(() => root().dataset.tower === "online", frame.contentDocument!);
  await refuse(true);
  link.drop();
  await seen(() => root().dataset.tower === "offline", frame.contentDocument!);
  const own = () => (frame.contentWindow as unknown as { tower: Store }).tower;
  own().model<Post>("posts").create({ id: "a", title: "A" });
  await state(own(), ({ durable }) => durable);
  await saved(1, `tower ws://${location.host}/_tower/socket`);

  const again = loaded();
  frame.contentWindow!.location.reload();
  await again;
  await state(own(), ({ pending }) => pending === 1);
  await refuse(false);
  frame.contentWindow!.dispatchEvent(new Event("online"));
  const next = await accept();
  await next.greet();
  await next.expect({ call: "POST /posts", in: { id: "a", title: "A" } });
  ok(own().state.durable, "the state is durable");
});
