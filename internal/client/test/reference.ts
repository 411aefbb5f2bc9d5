// A simple server in memory. After each commit, it filters and sorts all records for
// each cursor. It handles and delivers messages one by one, when the test asks for it.
// It shares no code with the client's handling of its own writes.

import type { Link, LinkEvents, Transport } from "../src/net/transport";
import { decode, type Delta, type Failure, type Scope } from "../src/wire/frames";

export interface Task {
  id: string;
  title: string;
  rank: number;
  done: boolean;
  createdAt: string;
  updatedAt: string;
}

/** A query, as code for the server and as a scope for the client. */
export interface Query {
  scope: Omit<Scope, "fields">;
  holds(task: Task): boolean;
  compare(a: Task, b: Task): number;
}

export const fields = { id: "string", title: "string", rank: "int", done: "bool", createdAt: "time", updatedAt: "time" };

export type Tasks = ReadonlyMap<string, Task>;

export interface Call {
  id: number;
  call: string;
  in: Record<string, unknown>;
  key: string;
}

interface Answer {
  status: number;
  out?: unknown;
  error?: Failure;
}

/** Returns the result of a query, in its window. */
export function result({ scope, holds, compare }: Query, tasks: Tasks): Task[] {
  const { offset = 0, limit = 0 } = scope;
  const all = [...tasks.values()].filter(holds).sort(compare);
  return all.slice(offset, limit ? offset + limit : undefined);
}

export class Reference implements Transport {
  readonly name = "reference";
  readonly queries: Readonly<Record<string, Query>>;
  /** The records after each commit. */
  readonly history: Tasks[] = [new Map()];
  /** How often each key took effect. */
  readonly effects = new Map<string, number>();
  user = "ada";
  refuses: (call: Call) => Failure | null = () => null;

  #link: LinkEvents | null = null;
  #open = new Map<number, string>();
  #lastNumber = 0;
  #time = Date.UTC(2026, 0, 1) * 1000;
  readonly #answers = new Map<string, Answer>();
  #pendingAnswer: (() => void) | null = null; // sends the answer of a call that has taken effect
  readonly toServer: string[] = [];
  readonly toClient: object[] = [];

  constructor(queries: Readonly<Record<string, Query>>) {
    this.queries = queries;
  }

  get seq(): number {
    return this.history.length - 1;
  }

  get tasks(): Tasks {
    return this.history[this.seq]!;
  }

  get connected(): boolean {
    return this.#link !== null;
  }

  open(events: LinkEvents): Link {
    this.#link = events;
    queueMicrotask(() => this.#link === events && events.open());
    const own = () => this.#link === events;
    return {
      id: "",
      send: message => own() && this.toServer.push(message),
      close: () => own() && this.#hangUp(),
    };
  }

  #hangUp(): LinkEvents | null {
    const link = this.#link;
    this.#link = null;
    this.#open.clear();
    this.#pendingAnswer = null;
    this.toServer.length = this.toClient.length = 0;
    return link;
  }

  /** Breaks the link. Messages in transit are lost. */
  drop(): void {
    this.#hangUp()?.close({ code: 1006, reason: "" });
  }

  /** Whether the server has a message to receive. */
  get waits(): boolean {
    return this.toServer.length > 0 || this.#pendingAnswer !== null;
  }

  /** Handles the client's next message. The answer to a call is sent by the next receive. */
  receive(): void {
    const answer = this.#pendingAnswer;
    this.#pendingAnswer = null;
    if (answer) return answer();
    const frame = JSON.parse(this.toServer.shift()!) as Record<string, any>;
    if (frame.hello) {
      const { user, seq } = this;
      this.toClient.push({ hello: 1, epoch: "E", seq, build: "b", user, actions: [], cursors: [] });
    } else if (frame.open) this.#answerOpen(frame.id, frame.open);
    else if (frame.close) this.#answer(frame.id, { status: this.#open.delete(frame.close) ? 200 : 404 });
    else if (frame.call) {
      const answer = this.#call(frame as Call);
      this.#pendingAnswer = () => this.#answer(frame.id, answer);
    }
  }

  /** Delivers the next frames to the client, in one message. */
  deliver(together = 1): void {
    const frames = this.toClient.splice(0, together);
    this.#link!.received(decode(JSON.stringify(frames.length === 1 ? frames[0] : frames)));
  }

  #answer(id: number, answer: Answer): void {
    this.toClient.push({ id, at: `E:${this.seq}`, ...answer });
  }

  #answerOpen(id: number, name: string): void {
    const number = ++this.#lastNumber;
    this.#open.set(number, name);
    const tasks = result(this.queries[name]!, this.tasks);
    const scope = { ...this.queries[name]!.scope, fields };
    this.toClient.push({ id, status: 200, at: `E:${this.seq}`, cursor: number, model: "tasks", scope, ids: tasks.map(task => task.id), tasks });
  }

  #call(call: Call): Answer {
    const before = this.#answers.get(call.key);
    if (before) return { ...before, repeated: true } as Answer;
    const error = this.refuses(call);
    if (error) return { status: 422, error };
    const answer = this.#perform(call);
    if (!answer.error) {
      this.#answers.set(call.key, answer);
      this.effects.set(call.key, (this.effects.get(call.key) ?? 0) + 1);
    }
    return answer;
  }

  #perform({ call, in: input }: Call): Answer {
    const [method, path] = call.split(" ");
    const id = method === "POST" ? (input.id as string) : path!.split("/").pop()!;
    const old = this.tasks.get(id);
    if (method === "POST" && old) return { status: 422, error: { code: "invalid", message: "no", problems: { id: ["is already taken"] } } };
    if (method !== "POST" && !old) return { status: 404, error: { code: "not_found", message: "gone" } };
    if (method === "DELETE") this.commit(tasks => tasks.delete(id));
    else if (method === "PATCH") this.put({ ...old!, ...(input as Partial<Task>) });
    else this.put({ id, title: "", rank: 0, done: false, createdAt: "", updatedAt: "", ...(input as Partial<Task>) });
    return { status: method === "POST" ? 201 : 200, out: null };
  }

  /** Stores a task, with the current time. */
  put(task: Task): void {
    const now = new Date((this.#time += 1000) / 1000).toISOString();
    const createdAt = this.tasks.get(task.id)?.createdAt ?? now;
    this.commit(tasks => tasks.set(task.id, { ...task, createdAt, updatedAt: now }));
  }

  commit(change: (tasks: Map<string, Task>) => void): void {
    const before = this.tasks;
    const after = new Map(before);
    change(after);
    this.history.push(after);
    if (!this.#link) return;
    const cursors: Record<string, Delta> = {};
    const records = new Map<string, Task>();
    for (const [number, name] of this.#open) {
      const delta = difference(result(this.queries[name]!, before), result(this.queries[name]!, after));
      if (!delta) continue;
      cursors[number] = delta;
      for (const { id } of [...delta.enter!, ...delta.change!]) records.set(id, after.get(id)!);
    }
    if (Object.keys(cursors).length > 0) this.toClient.push({ seq: this.seq, tasks: [...records.values()], cursors });
  }
}

/** Returns the delta from one list to another. */
function difference(before: Task[], after: Task[]): Delta | null {
  const old = new Map(before.map(task => [task.id, task]));
  const stay = new Set(after.map(task => task.id));
  const leave = before.filter(task => !stay.has(task.id)).map(task => task.id);
  const enter: Delta["enter"] = [];
  const change: Delta["change"] = [];
  const list = before.map(task => task.id).filter(id => stay.has(id));
  after.forEach((task, i) => {
    const place = after[i - 1]?.id ?? "";
    if (!old.has(task.id)) {
      enter.push({ id: task.id, after: place });
      list.splice(place ? list.indexOf(place) + 1 : 0, 0, task.id);
    }
  });
  after.forEach((task, i) => {
    const place = after[i - 1]?.id ?? "";
    const at = list.indexOf(task.id);
    const moved = (list[at - 1] ?? "") !== place;
    if (moved) {
      list.splice(at, 1);
      list.splice(place ? list.indexOf(place) + 1 : 0, 0, task.id);
    }
    if (old.has(task.id) && (moved || old.get(task.id) !== task)) change.push({ id: task.id, ...(moved && { after: place }) });
  });
  return leave.length + enter.length + change.length > 0 ? { leave, enter, change } : null;
}
