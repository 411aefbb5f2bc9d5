// The data on the device. Two stores with one name act as two pages. The last test
// uses real pages.

import type { Store } from "../src/store/store";
import { pageDatabase, saved, storedUser, storedWrites } from "./device";
import { after, clearDevice, equal, ok, random, test } from "./runner";
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

test("null, a value and a field that is not sent outlive their page", async () => {
  const store = await page();
  const link = await greeted(store);
  await refuse(true);
  link.drop();
  await state(store, ({ online }) => !online);
  const posts = store.model<Post & { rank: number | null }>("posts");
  const changes = [{ rank: null }, { title: "B" }, { rank: 0 }];
  for (const change of changes) posts.update("a", change);
  await saved(3);
  store.close();
  await refuse(false);
  const next = await page();
  const second = await greeted(next);
  for (const change of changes) {
    const sent = await second.next();
    equal([sent.call, sent.in], ["PATCH /posts/a", change]);
    second.send({ id: sent.id, status: 200 });
  }
  await state(next, ({ pending }) => pending === 0);
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

/** A page in a frame. Its clock and the server are those of the test. */
class Framed {
  readonly #frame = document.body.appendChild(document.createElement("iframe"));

  /** Loads a page whose first script is the given one. */
  static async open(first = ""): Promise<Framed> {
    await ready;
    const html = `<!doctype html><body><script>${first}</script><script type="module" src="/_tower/tower.js"></script>`;
    await fetch("/pages/app", { method: "PUT", body: html });
    const framed = new Framed();
    await framed.#loads(() => (framed.#frame.src = "/pages/app"));
    return framed;
  }

  get window(): Window {
    return this.#frame.contentWindow!;
  }

  get store(): Store {
    return this.window.tower;
  }

  reload(): Promise<void> {
    return this.#loads(() => this.window.location.reload());
  }

  remove(): void {
    this.#frame.remove();
  }

  #loads(run: () => void): Promise<void> {
    return new Promise(done => {
      this.#frame.addEventListener("load", () => done(), { once: true });
      run();
    });
  }
}

/** Makes the device slow: its database and its locks answer after random delays. Runs in the page. */
function slowDevice(seed: number): void {
  const wait = () => new Promise(done => setTimeout(done, (seed = (seed * 48271) % 0x7fffffff) % 80));
  const delay = (from: object, to: object, name: string) => {
    const { set } = Object.getOwnPropertyDescriptor(from, name)!;
    Object.defineProperty(to, name, {
      set(handler: (event: unknown) => void) {
        set!.call(this, (event: unknown) => void wait().then(() => handler(event)));
      },
    });
  };
  delay(IDBRequest.prototype, IDBOpenDBRequest.prototype, "onsuccess");
  delay(IDBTransaction.prototype, IDBTransaction.prototype, "oncomplete");
  const { request } = LockManager.prototype as { request(...args: unknown[]): Promise<unknown> };
  LockManager.prototype.request = async function (...args: unknown[]) {
    await wait();
    return request.apply(this, args);
  };
}

/** Returns a page that has lost its connection, and can store writes. */
async function offlinePage(first?: string): Promise<Framed> {
  await refuse(false);
  const framed = await Framed.open(first);
  const link = await accept();
  await link.greet();
  await state(framed.store, ({ online }) => online);
  await refuse(true);
  link.drop();
  await state(framed.store, ({ closed, durable }) => closed !== null && durable);
  return framed;
}

test("a page that reloads without a connection continues where it was", async () => {
  const framed = await offlinePage();
  framed.store.model<Post>("posts").create({ id: "a", title: "A" });
  await saved(1, pageDatabase);
  await framed.reload();
  await state(framed.store, ({ pending }) => pending === 1);
  await refuse(false);
  framed.window.dispatchEvent(new Event("online"));
  const next = await accept();
  await next.greet();
  await next.expect({ call: "POST /posts", in: { id: "a", title: "A" } });
  ok(framed.store.state.durable, "the state is durable");
});

test("a stored write survives a reload on a slow device", async () => {
  const below = random();
  for (let round = 0; round < 10; round++) {
    const framed = await offlinePage(`(${slowDevice})(${below(0x7ffffffe) + 1})`);
    for (const id of ["a", "b", "c"]) framed.store.model("posts").create({ id });
    await saved(3, pageDatabase);
    await framed.reload();
    await state(framed.store, ({ pending }) => pending === 3);
    framed.remove();
    await clearDevice();
  }
});

test("a write survives a reload that follows at once", async () => {
  for (let round = 0; round < 10; round++) {
    const framed = await offlinePage(round % 2 ? `(${slowDevice})(${round})` : "");
    framed.store.model("posts").create({ id: "a" });
    await framed.reload();
    await state(framed.store, ({ pending }) => pending === 1);
    framed.remove();
    await clearDevice();
  }
});

test("a write is stored after its user", async () => {
  let open!: () => void;
  const opened = new Promise<void>(done => (open = done));
  const { set } = Object.getOwnPropertyDescriptor(IDBRequest.prototype, "onsuccess")!;
  Object.defineProperty(IDBOpenDBRequest.prototype, "onsuccess", {
    configurable: true,
    set(handler: (event: unknown) => void) {
      set!.call(this, (event: unknown) => void opened.then(() => handler(event)));
    },
  });
  after(() => Reflect.deleteProperty(IDBOpenDBRequest.prototype, "onsuccess"));
  const store = await page();
  const link = await accept();
  await link.greet();
  await state(store, ({ online }) => online);
  store.model("posts").delete("a");
  open();
  await saved(1);
  equal(await storedUser(), "ada");
});
