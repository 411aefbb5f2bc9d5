import { ListCache } from "./cache";
import { watchPage, type Connection, type StoreEvents } from "../net/connection";
import { Cursor, Value, type Followed, type List } from "./cursor";
import { openDatabase } from "./idb";
import { refusalOf } from "../wire/carry";
import { TowerError } from "../wire/error";
import { Lists } from "./lists";
import { Model } from "./model";
import { Observable, report, safely } from "./observable";
import { Overlay, type Effect } from "./overlay";
import { keyLifetime, Queue } from "./queue";
import { resultOf, type Result } from "../wire/result";
import { requireDefined } from "../wire/conditions";
import { fillPath } from "../wire/path";
import { tooBig, type Closed } from "../net/transport";
import { ulid } from "../wire/ulid";
import type { Note, Write } from "./write";
import {
  type Allowed,
  type Answer,
  type CallBody,
  type Failure,
  type Commit,
  type Frame,
  type Hello,
  type Narrowing,
  type Open,
  type Push,
  type Request,
  type Row,
} from "../wire/frames";

/** The state of a store and its connection. It is immutable; each change makes a new one. */
export interface State {
  readonly online: boolean;
  /** The transport in use: "socket", "stream" or "poll"; "" while disconnected. */
  readonly transport: string;
  readonly epoch: string;
  readonly build: string;
  /** The seq of the last applied commit, or of the server at its hello. */
  readonly seq: number;
  /** The id of the current user; "" for a visitor. */
  readonly user: string;
  /** The routes that the user may call. */
  readonly actions: readonly string[];
  /** The cursors that the user may open. */
  readonly cursors: readonly string[];
  /** The reason for the end of the last connection, while there is no other. */
  readonly closed: Closed | null;
  /** The number of unanswered writes. */
  readonly pending: number;
  /** Whether these writes survive the page. They do not in Node, without storage, or before the user is known. */
  readonly durable: boolean;
}

export interface CursorOptions extends Narrowing {
  /** Stores the last records on this device, for a start without a connection. */
  keep?: boolean;
}

export interface CallOptions {
  /** Stops waiting for a connection or the answer. A call that was sent may still take effect. */
  signal?: AbortSignal;
  /** A ULID. Calls with the same key take effect once, so a lost call can be sent again. */
  key?: string;
}

/** The result of an action that the server ran for this connection without a call. */
export type Pushed = Pick<Result, "status" | "out" | "error">;

/** A request that waits for a connection or its answer. */
interface PendingRequest {
  request: Request;
  /** The time and user of the first send of a call that may be sent again. */
  firstSent?: { at: number; user: string };
  answered(answer: Answer): void;
  lost?(error: TowerError): void;
}

const initial: State = {
  online: false,
  transport: "",
  epoch: "",
  build: "",
  seq: 0,
  user: "",
  actions: [],
  cursors: [],
  closed: null,
  pending: 0,
  durable: false,
};

/** A Store is a client's view of the server, over one connection that it keeps alive. */
export class Store {
  #connection!: Connection;
  readonly #state = new Observable(initial);
  readonly #followed = new Map<string, { list: Followed<any>; holders: number }>();
  readonly #cacheKeys = new Map<List, string>(); // keys of lists in the cache
  readonly #listeners = new Map<string, Set<(push: Pushed) => void>>();
  readonly #requests = new Map<number, PendingRequest>();
  readonly #waiting = new Set<PendingRequest>();
  readonly #held: Frame[] = []; // until #resuming is empty
  readonly #resuming = new Set<number>(); // the unanswered opens of a move to another link
  readonly #afterUpdate: (() => void)[] = []; // runs after the lists and the state have notified
  #lastID = 0;
  #ended = false;

  /** Settles when the ticket for the newest session has been exchanged. */
  exchanged: Promise<void> | undefined;

  readonly #lists = new Lists((request, answered) => this.#send({ request, answered }));
  readonly #overlay = new Overlay();
  readonly #queue: Queue;
  readonly #cache: ListCache;
  #now = 0;
  #audits?: ReturnType<typeof setInterval>;

  /** Writes and kept lists are stored on this device, in the database called name. Without a name, nothing is stored. */
  constructor(open: (events: StoreEvents) => Connection, name = "") {
    const database = name ? openDatabase(name).catch(() => null) : Promise.resolve(null);
    this.#queue = new Queue(name, database, {
      send: (request, answered) => this.#send({ request, answered }),
      update: run => this.#update(run),
      finish: answer => this.#finish(answer),
    });
    this.#cache = new ListCache(database);
    const replaced = (connection: Connection) => watchPage((this.#connection = connection));
    const connection = open({
      replaced,
      received: frames => this.#received(frames),
      lost: (closed, final) =>
        this.#update(() => {
          this.#applyHeld();
          this.#lost(closed, final);
        }),
    });
    replaced(connection);
    void this.#cache.identity().then(identity => {
      if (!identity || this.state.epoch) return;
      this.#update(() => { // until the server is reached
        this.#set(identity);
        this.#queue.setUser(identity.user);
      });
    });
  }

  get state(): State {
    return this.#state.value;
  }

  /** Whether the connection has ended and will not reconnect. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Calls a function with the state, now and after each change. Returns a function that unsubscribes. */
  readonly subscribe = this.#state.subscribe;

  /** Returns the state. */
  readonly getSnapshot = this.#state.getSnapshot;

  /**
   * Opens a declared cursor and keeps it current. Equal requests share one cursor.
   * It ends when each of them has closed it.
   */
  cursor<T extends Row = Row>(name: string, input: unknown = {}, { keep, ...narrowing }: CursorOptions = {}): Cursor<T> {
    const request = { open: name, in: input, ...narrowing, scope: true };
    const list = this.#open("cursor", Cursor<T>, request);
    if (keep && !this.#cacheKeys.has(list)) {
      const key = canonical(request);
      this.#cacheKeys.set(list, key);
      const restored = this.#queue.loaded.then(() => this.#cache.restore(key, list as Cursor<any>)); // records show with the stored writes applied
      void restored.then(found => found && this.#update(() => this.#lists.changed.add(list)));
    }
    return list;
  }

  /**
   * Opens a declared value and keeps it current. Equal requests share one value.
   * It ends when each of them has closed it.
   */
  value<V = number>(name: string, input: unknown = {}, narrowing: Pick<Narrowing, "where"> = {}): Value<V> {
    return this.#open("value", Value<V>, { open: name, in: input, ...narrowing });
  }

  #open<F extends Followed<any>>(word: string, kind: new (request: Open, close: () => void) => F, request: Open): F {
    for (const part of ["where", "order"] as const) if (request[part] !== undefined) requireDefined(request[part], part);
    const refused = refusalOf(request.in) ?? refusalOf(request.where);
    if (refused) throw new TowerError({ ...refused, message: `${request.open}: ${describe(refused)}` });
    const text = canonical(request);
    const key = `${word} ${text}`;
    let shared = this.#followed.get(key);
    if (!shared) {
      const list = new kind(JSON.parse(text) as Open, () => this.#release(key, list));
      shared = { list, holders: 0 };
      this.#followed.set(key, shared);
      this.addList(list);
    }
    shared.holders++;
    return shared.list as F;
  }

  #release(key: string, list: List): void {
    const shared = this.#followed.get(key);
    if (shared?.list !== list || --shared.holders > 0) return;
    this.#followed.delete(key);
    this.#cacheKeys.delete(list);
    this.removeList(list);
  }

  /** Keeps a list current. */
  addList(list: List): void {
    this.#lists.add(list);
  }

  /** Stops keeping a list current. Its since is the position to resume from. */
  removeList(list: List): void {
    if (list instanceof Cursor) this.#overlay.remember(list);
    this.#lists.remove(list);
  }

  /**
   * Calls an action as soon as there is a connection. URLSearchParams are sent as a
   * form. If the connection is lost before the answer, the call is sent again over the
   * next one, with the same key, so it takes effect once. It rejects with code
   * "disconnected" if the next connection belongs to another user or opens more than
   * half a day later, and with "closed" if there will be none. In both cases the call
   * may or may not have taken effect. With code "session", the call took effect but
   * its sign-in or sign-out was not accepted.
   */
  async call<Out = unknown>(route: string, input: unknown = {}, options: CallOptions = {}): Promise<Result<Out>> {
    const body = callBody(route, input);
    const error = refusalOf(input);
    if (error) return resultOf({ id: 0, status: 422, error });
    return this.#finish(await this.#request({ ...body, key: options.key ?? ulid() }, options.signal));
  }

  async #finish<Out>(answer: Answer): Promise<Result<Out>> {
    if (answer.session) await (this.exchanged = this.#exchange(answer.session));
    return resultOf(answer);
  }

  /** Returns the model of a name. Its routes start with path, by default "/" and the name. */
  model<T extends Row = Row>(name: string, path?: string): Model<T> {
    return new Model(this, name, path ?? `/${name}`);
  }

  /**
   * Calls an action with effects on records. The effects show immediately in every
   * matching cursor, until the server's answer confirms, corrects or undoes them.
   * Writes are sent one after another, each with its key. While they wait for a
   * connection, they are stored on this device and survive the page. They are sent
   * only as the user who made them.
   */
  write<Out = unknown>(route: string, input: unknown = {}, effects: readonly Effect[] = [], note?: Note): Write<Out> {
    return this.#queue.add(callBody(route, input), effects, note);
  }

  /** The writes that were refused while no caller waited, until they are dismissed. */
  get refused(): Queue["refused"] {
    return this.#queue.refused;
  }

  /** The unanswered writes that no caller waits for, in order. */
  get unattended(): Queue["unattended"] {
    return this.#queue.unattended;
  }

  /** Returns the current time, or a later one if a known record of the model is newer: clocks differ. */
  now(model: string): string {
    let latest = "1970-01-01T00:00:00Z";
    for (const list of this.#cursors()) {
      if (list.model !== model) continue;
      for (const { createdAt = "", updatedAt = "" } of list.served as readonly { createdAt?: string; updatedAt?: string }[]) {
        if (createdAt > latest) latest = createdAt;
        if (updatedAt > latest) latest = updatedAt;
      }
    }
    this.#now = Math.max(Date.now(), this.#now + 1, Date.parse(latest) + 1);
    return new Date(this.#now).toISOString();
  }

  #cursors(): Cursor[] {
    return [...this.#lists.all].filter(list => list instanceof Cursor);
  }

  /** Calls a function with each push of a route. Returns a function that unsubscribes. */
  on(route: string, listener: (push: Pushed) => void): () => void {
    const listeners = this.#listeners.get(route) ?? new Set();
    this.#listeners.set(route, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Closes the connection. It does not reconnect. */
  close(): void {
    this.#connection.close();
  }

  /** Runs a function that changes state, and then notifies the subscribers of all changes. */
  #update(run: () => void): void {
    const before = this.state;
    safely(run);
    const cursors = this.#cursors();
    const touched = this.#overlay.touched(this.#queue.effects(), cursors.filter(list => !list.error));
    for (const list of cursors) if (list.show(touched)) this.#lists.changed.add(list);
    const { pending, durable } = this.#queue;
    if (pending !== before.pending || durable !== before.durable) this.#set({ pending, durable });
    const changed = [...this.#lists.changed];
    this.#lists.changed.clear();
    for (const [list, key] of this.#cacheKeys) if (changed.includes(list)) this.#cache.save(key, list as Cursor);
    for (const list of changed) safely(() => list.notify());
    if (this.state !== before) this.#state.notify();
    this.#queue.notify();
    for (const notify of this.#afterUpdate.splice(0)) safely(notify);
  }

  /**
   * Applies the frames of a message. While lists resume on another link, frames are held
   * until all of them are answered: lists that show different commits would not be stale.
   */
  #received(frames: Frame[]): void {
    this.#held.push(...frames);
    for (const frame of frames) {
      if ("hello" in frame) this.#resuming.clear();
      else if ("id" in frame) this.#resuming.delete(frame.id);
    }
    if (this.#resuming.size === 0) this.#update(() => this.#applyHeld());
  }

  #applyHeld(): void {
    this.#resuming.clear();
    this.#held.splice(0).forEach(frame => this.#apply(frame));
  }

  #apply(frame: Frame): void {
    if ("hello" in frame) this.#hello(frame);
    else if ("push" in frame) this.#push(frame);
    else if ("id" in frame) this.#answer(frame);
    else if ("seq" in frame) this.#commit(frame);
    else if ("error" in frame) report(new TowerError(frame.error));
  }

  #hello({ epoch, build, seq, user = "", actions, cursors, audit }: Hello): void {
    const was = this.state;
    const fresh = was.epoch !== "" && (was.epoch !== epoch || was.build !== build || was.user !== user);
    const moving = was.online && !fresh; // to another link
    if (was.online) this.#leave(moving);
    this.#set({
      online: true,
      transport: this.#connection.transport,
      epoch,
      build,
      seq,
      user,
      ...listed({ actions, cursors }),
      closed: null,
    });
    clearInterval(this.#audits);
    if (audit) this.#audits = setInterval(() => this.#audit(), audit * (1 + Math.random()) * 1000);
    this.#lists.connected(epoch, fresh);
    if (moving) for (const id of this.#requests.keys()) this.#resuming.add(id);
    this.#queue.setUser(user, this.#cache.setIdentity({ user, epoch, build }));
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const pending of waiting) {
      const { firstSent } = pending;
      if (!firstSent || (firstSent.user === user && Date.now() - firstSent.at < keyLifetime)) this.#send(pending);
      else pending.lost?.(disconnected(was.closed, false));
    }
  }

  #audit(): void {
    const audit = this.#lists.audit();
    if (audit) this.#connection.send(audit);
  }

  #commit(frame: Commit): void {
    this.#lists.commit(frame);
    const { from, seq, allowed } = frame;
    this.#set({ seq, ...(allowed && listed(allowed)) });
    // A framework draws in a microtask after its notification, before this one.
    if (frame.ack) this.#afterUpdate.push(() => queueMicrotask(() => this.#connection.send(from ? { applied: seq, from } : { applied: seq })));
  }

  #push(frame: Push): void {
    const { push, status, out, error = null } = frame;
    for (const listener of this.#listeners.get(push) ?? []) this.#afterUpdate.push(() => listener({ status, out, error }));
  }

  #answer(answer: Answer): void {
    const pending = this.#requests.get(answer.id);
    this.#requests.delete(answer.id);
    pending?.answered(answer);
  }

  #lost(closed: Closed, final: boolean): void {
    this.#ended = final;
    clearInterval(this.#audits);
    this.#set({ online: false, transport: "", closed });
    if (closed.code === tooBig) this.#refuseLargest();
    this.#leave(false);
    if (!final) return;
    this.#queue.close(disconnected(closed, true).message);
    this.#cache.close();
    for (const pending of this.#waiting) pending.lost?.(disconnected(closed, true));
    this.#waiting.clear();
  }

  /** Handles the loss of the connection, or its move to another link. */
  #leave(moving: boolean): void {
    if (moving) this.#lists.linkChanged();
    else this.#lists.disconnected();
    this.#queue.disconnected();
    for (const pending of this.#requests.values()) if (pending.firstSent) this.#waiting.add(pending);
    this.#requests.clear();
  }

  /** Answers the largest request with an error: the server closed the connection because of it and would do so again. */
  #refuseLargest(): void {
    const size = ([, { request }]: [number, PendingRequest]) => JSON.stringify(request).length;
    const [largest] = [...this.#requests].sort((a, b) => size(b) - size(a));
    const error = { code: "too_large", message: "The request is too large for the server." };
    if (largest) this.#answer({ id: largest[0], status: 413, error });
  }

  #set(change: Partial<State>): void {
    this.#state.value = { ...this.state, ...change };
  }

  #request(request: Request, signal?: AbortSignal): Promise<Answer> {
    let abort = () => {};
    const answer = new Promise<Answer>((answered, lost) => {
      const pending: PendingRequest = { request, answered, lost };
      abort = () => {
        this.#waiting.delete(pending);
        for (const [id, other] of this.#requests) if (other === pending) this.#requests.delete(id);
        lost(signal?.reason);
      };
      if (signal?.aborted) abort();
      else if (this.#ended) lost(disconnected(this.state.closed, true));
      else if (this.state.online) this.#send(pending);
      else this.#waiting.add(pending);
    });
    signal?.addEventListener("abort", abort);
    return answer.finally(() => signal?.removeEventListener("abort", abort));
  }

  #send(pending: PendingRequest): void {
    const id = ++this.#lastID;
    if (pending.lost) pending.firstSent ??= { at: Date.now(), user: this.state.user };
    this.#requests.set(id, pending);
    this.#connection.send({ id, ...pending.request });
  }

  /** Exchanges the ticket of a new session for its cookie, and connects as its user. */
  async #exchange(ticket: string): Promise<void> {
    const { ok, status } = await fetch("/_tower/session", { method: "POST", body: ticket });
    if (!ok) throw new TowerError({ code: "session", message: `The session was not accepted (${status}).` });
    this.#connection.restart();
  }
}

function listed({ actions, cursors }: Allowed): Pick<State, "actions" | "cursors"> {
  return { actions: actions ?? [], cursors: cursors ?? [] };
}

function disconnected(closed: Closed | null, final: boolean): TowerError {
  const why = closed?.reason ? `: ${closed.reason}` : "";
  return new TowerError(
    final
      ? { code: "closed", message: `The connection is closed${why}.` }
      : { code: "disconnected", message: `The connection was lost before the answer arrived${why}.` },
  );
}

function callBody(route: string, input: unknown): CallBody {
  return { call: fillPath(route, input), ...(input instanceof URLSearchParams ? { form: input.toString() } : { in: input }) };
}

function describe({ message, problems = {} }: Failure): string {
  return Object.entries(problems).map(([field, texts]) => `${field} ${texts.join(", ")}`).join("; ") || message;
}

/** Encodes a value as JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    if (part !== Object(part) || Array.isArray(part)) return part;
    return Object.fromEntries(Object.keys(part).sort().map(key => [key, part[key]]));
  });
}
