// Random writes while a server sends commits. At every step, a client shows the state
// it has received from the server with its unanswered writes applied. At the end it
// shows the state of the server. The seed is in the log.

import { DirectConnection } from "../src/net/direct";
import { Store } from "../src/store/store";
import type { Cursor } from "../src/store/cursor";
import type { Write } from "../src/store/write";
import { after, equal, ok, random, test } from "./runner";
import { result, Reference, type Call, type Query, type Task, type Tasks } from "./reference";

const compareIDs = (a: Task, b: Task) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
const byRank = (a: Task, b: Task) => a.rank - b.rank || compareIDs(a, b);
const newest = (a: Task, b: Task) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : -compareIDs(a, b));

const queries: Record<string, Query> = {
  all: { scope: {}, holds: () => true, compare: compareIDs },
  open: { scope: { where: { done: false }, order: ["rank"] }, holds: task => !task.done, compare: byRank },
  done: { scope: { where: { done: true }, order: ["-createdAt"] }, holds: task => task.done, compare: newest },
  low: { scope: { where: { rank: { lt: 3 }, not: { title: "x" } } }, holds: task => task.rank < 3 && task.title !== "x", compare: compareIDs },
  first: { scope: { order: ["rank"], limit: 4 }, holds: () => true, compare: byRank },
  second: { scope: { where: { done: false }, order: ["rank"], limit: 3, offset: 3 }, holds: task => !task.done, compare: byRank },
  ruled: { scope: { where: { done: false }, rule: true }, holds: task => !task.done && task.title !== "b", compare: compareIDs },
};

/** A write of the test. */
interface Made {
  call: string;
  id: string;
  set: Partial<Task>;
  write: Write;
  answered: boolean;
}

class World {
  readonly server = new Reference(queries);
  readonly store: Store;
  readonly cursors = new Map<string, Cursor<Task>>();
  readonly made: Made[] = [];
  seq = 0; // of the last message the client received
  checks = 0;
  readonly pick: (below: number) => number;

  constructor(pick: (below: number) => number, names = Object.keys(queries)) {
    this.pick = pick;
    this.store = new Store(events => new DirectConnection([this.server], events));
    after(() => this.store.close());
    for (const name of names) this.cursors.set(name, this.store.cursor<Task>(name));
  }

  get pending(): Made[] {
    return this.made.filter(made => !made.answered);
  }

  write(call: string, id: string, set: Partial<Task>): void {
    const model = this.store.model<Task>("tasks");
    const write: Write = call === "create" ? model.create({ id, ...set }) : call === "update" ? model.update(id, set) : model.delete(id);
    const made: Made = { call, id, set, write, answered: false };
    this.made.push(made);
    write.then(() => (made.answered = true), () => {}); // the store is closed when the test ends
  }

  /** Lets pending promises run. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise<void>(done => hop(done));
  }

  async deliver(together = 1): Promise<void> {
    const frames = this.server.toClient.slice(0, together) as { seq?: number; at?: string; hello?: number }[];
    for (const { seq, at, hello } of frames) if (!hello) this.seq = Math.max(this.seq, seq ?? Number(at!.slice(2)));
    this.server.deliver(together);
    await this.settle();
  }

  /** Returns the tasks with the unanswered writes applied. */
  expected(tasks: Tasks): { tasks: Map<string, Task>; touched: Map<string, boolean> } {
    const now = new Map(tasks);
    const touched = new Map<string, boolean>();
    for (const { call, id, set } of this.pending) {
      const old = now.get(id);
      if (call === "create" && !touched.has(id)) touched.set(id, !tasks.has(id));
      else touched.set(id, touched.get(id) ?? false);
      if (call === "create" && !old) now.set(id, { id, title: "", rank: 0, done: false, createdAt: "9", updatedAt: "9", ...set });
      if (call === "update" && old) now.set(id, { ...old, ...set });
      if (call === "delete") now.delete(id);
    }
    return { tasks: now, touched };
  }

  /** Compares each cursor with the whole state. */
  check(what: string): void {
    if ([...this.cursors.values()].some(({ stale }) => stale)) return; // records of stale lists may be older
    this.checks += this.pending.length;
    const tasks = this.server.history[this.seq]!;
    const { tasks: now, touched } = this.expected(tasks);
    for (const [name, cursor] of this.cursors) {
      const query = queries[name]!;
      const { limit = 0, offset = 0, rule } = query.scope;
      const served = result(query, tasks);
      equal(cursor.served.map(({ id }) => id), served.map(({ id }) => id), `${what}: what ${name} has been sent`);
      const ids = new Set(served.map(({ id }) => id));
      const full = limit > 0 && served.length === limit;
      const enters = (task: Task) =>
        (touched.get(task.id) || !rule) &&
        touched.has(task.id) &&
        (!full || query.compare(task, served.at(-1)!) < 0) &&
        (!offset || (served.length > 0 && query.compare(task, served[0]!) > 0));
      // A rule that only the server knows does not remove records.
      const holds = (task: Task) => (rule ? !task.done : query.holds(task));
      const shown = [...now.values()].filter(task => holds(task) && (ids.has(task.id) || enters(task)));
      const wanted = shown.sort(query.compare).slice(0, limit || undefined);
      const plain = ({ id, title, rank, done }: Task) => ({ id, title, rank, done });
      equal(cursor.records.map(plain), wanted.map(plain), `${what}: ${name} at ${this.seq} with ${this.pending.length} pending`);
      equal([...cursor.pending].sort(), wanted.map(({ id }) => id).filter(id => touched.has(id)).sort(), `${what}: pending in ${name}`);
    }
  }

  async step(): Promise<string> {
    const { pick, server } = this;
    const ids = [...server.tasks.keys(), ...this.pending.map(({ id }) => id)];
    const id = ids[pick(ids.length || 1)] ?? "";
    const some = (): Partial<Task> => ({
      ...(pick(2) && { title: "abx"[pick(3)]! }),
      ...(pick(2) && { rank: pick(6) }),
      ...(pick(3) === 0 && { done: pick(2) === 0 }),
    });
    switch (pick(14)) {
      case 0:
        this.write("create", `c${String(this.made.length).padStart(4, "0")}`, { ...some(), title: "abx"[pick(3)]! });
        return "create";
      case 1:
        if (id) this.write("update", id, some());
        return "update";
      case 2:
        if (id && pick(2)) this.write("delete", id, {});
        return "delete";
      case 3: {
        const other = pick(2) && server.tasks.has(id) ? id : `s${pick(12)}`;
        if (pick(4) === 0) server.commit(tasks => tasks.delete(id));
        else server.put({ id: other, title: "ab"[pick(2)]!, rank: pick(6), done: pick(3) === 0, createdAt: "", updatedAt: "" });
        return "another writes";
      }
      case 4:
        if (pick(4) === 0) server.drop();
        await this.connect();
        return "a drop";
      case 5:
      case 6:
      case 7:
      case 8:
        if (server.waits) server.receive();
        return "a request";
      default: {
        const { length } = server.toClient;
        if (length > 0) await this.deliver(1 + pick(Math.min(3, length)));
        return "a delivery";
      }
    }
  }

  async connect(): Promise<void> {
    if (!this.server.connected) dispatchEvent(new Event("online"));
    await this.settle();
  }

  /** Processes all messages in transit. */
  async calm(): Promise<void> {
    await this.connect();
    while (this.server.waits || this.server.toClient.length > 0) {
      if (this.server.waits) this.server.receive();
      else await this.deliver();
      await this.settle();
      this.check("calming down");
    }
  }
}

const { port1, port2 } = new MessageChannel();
const hops: (() => void)[] = [];
port1.onmessage = () => hops.shift()!();
function hop(done: () => void): void {
  hops.push(done);
  port2.postMessage(null);
}

test("at every step a client shows the server's state with its own writes applied", async () => {
  const pick = random();
  for (let round = 0; round < 6; round++) {
    const world = new World(pick);
    world.server.refuses = (call: Call) =>
      call.in.title === "x" && call.key.charCodeAt(25) % 2 ? { code: "invalid", message: "no", problems: { title: ["is x"] } } : null;
    await world.settle();
    for (let i = 0; i < 250; i++) {
      const what = await world.step();
      await world.settle();
      world.check(`round ${round}, step ${i}, ${what}`);
    }
    await world.calm();
    ok(world.checks > 100, "too few writes were pending during the checks");
    equal(world.pending.length, 0, "the number of unanswered writes");
    for (const [name, cursor] of world.cursors) equal(cursor.records, result(queries[name]!, world.server.tasks), `${name} in the end`);
    const results = await Promise.all(world.made.map(({ write }) => write));
    for (const [i, { status, error }] of results.entries()) {
      ok(error ? status >= 400 : status < 300, "an answer has either status or error");
      equal(world.server.effects.get(world.made[i]!.write.key) ?? 0, error ? 0 : 1, `times that write ${i} took effect`);
    }
  }
});

test("its own writes alone never make a record disappear and reappear", async () => {
  const pick = random();
  const world = new World(pick, ["all", "open", "done", "low"]);
  await world.settle();
  await world.calm();
  let telling = false;
  const shown = new Map<string, string>();
  for (const [name, cursor] of world.cursors) {
    after(cursor.subscribe(records => {
      const ids = records.map(({ id }) => id).sort().join();
      if (telling) equal(ids, shown.get(name), `${name} changed by itself`);
      shown.set(name, ids);
    }));
  }
  const alive: string[] = [];
  for (let i = 0; i < 200; i++) {
    const id = alive[pick(alive.length || 1)];
    if (!id || pick(3) === 0) {
      alive.push(`c${1000 + i}`);
      world.write("create", `c${1000 + i}`, { title: "a", rank: pick(6), done: pick(2) === 0 });
    } else if (pick(4) === 0) {
      alive.splice(alive.indexOf(id), 1);
      world.write("delete", id, {});
    } else world.write("update", id, { rank: pick(6), done: pick(2) === 0 });
    telling = true;
    for (let n = pick(4); n > 0; n--) {
      await world.settle();
      if (world.server.waits) world.server.receive();
      else if (world.server.toClient.length > 0) await world.deliver();
    }
    telling = false;
  }
  telling = true;
  await world.calm();
  equal(world.pending.length, 0);
});
