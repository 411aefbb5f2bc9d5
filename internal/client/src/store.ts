import { watch, type Line, type LineEvents } from "./connection";
import { Cursor, Value, type Followed, type List } from "./cursor";
import { dial, route, type TransportName } from "./dial";
import { TowerError } from "./error";
import { Lists } from "./lists";
import { Observable, safely } from "./observable";
import { Shared } from "./share";
import type { Closed } from "./transport";
import { ulid } from "./ulid";
import {
  type Answer,
  type Commit,
  type Failure,
  type Frame,
  type Hello,
  type Narrowing,
  type Open,
  type Problems,
  type Push,
  type Request,
  type Row,
} from "./wire";

/** What a store knows of its connection. Each change makes a new one. */
export interface State {
  readonly online: boolean;
  /** How the server is reached: "socket", "stream" or "poll"; "" while it is not. */
  readonly transport: string;
  readonly epoch: string;
  readonly build: string;
  /** The last commit that has been applied, or that the server had when it said hello. */
  readonly seq: number;
  /** The id of the current user; "" for a visitor. */
  readonly user: string;
  /** The routes that this user may call. */
  readonly actions: readonly string[];
  /** The cursors that this user may open. */
  readonly cursors: readonly string[];
  /** Why the last connection ended, while there is no other. */
  readonly closed: Closed | null;
}

export interface Result<Out = unknown> {
  readonly status: number;
  readonly out: Out | undefined;
  readonly error: Failure | null;
  /** Messages by field; "" holds those of the whole. */
  readonly problems: Problems;
  /** Where a form's sender goes next; "" if nowhere. */
  readonly location: string;
  /** Whether someone has been signed in or out. */
  readonly session: boolean;
  /** Whether it had taken effect when it was sent before; out may not be known any more then. */
  readonly repeated: boolean;
}

export interface CallOptions {
  /** Ends the wait for a connection and for the answer. A call that was sent may still take effect. */
  signal?: AbortSignal;
  /** A ULID. Calls with one key take effect once: for sending again what was lost. */
  key?: string;
}

/** What an action produced for everyone it ran for. */
export type Pushed = Pick<Result, "status" | "out" | "error">;

const remembered = 12 * 3600_000; // ms; a server knows for longer that a call took effect

/** A request that waits for a connection, or for its answer. */
interface Asked {
  request: Request;
  /** When, and as which user, a call was sent first. */
  first?: { at: number; user: string };
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
};

/** A Store is what a client sees of the server, over one connection that it keeps alive. */
export class Store {
  readonly #line: Line;
  readonly #state = new Observable(initial);
  readonly #followed = new Map<string, { list: Followed<any>; holders: number }>();
  readonly #listeners = new Map<string, Set<(push: Pushed) => void>>();
  readonly #asked = new Map<number, Asked>();
  readonly #waiting = new Set<Asked>();
  readonly #later: (() => void)[] = []; // what comes after the lists and the state have told
  #lastID = 0;
  #ended = false;

  readonly #lists = new Lists((request, answered) => this.#ask({ request, answered }));

  constructor(open: (events: LineEvents) => Line) {
    this.#line = open({
      received: frames => this.#turn(() => frames.forEach(frame => this.#apply(frame))),
      lost: (closed, final) => this.#turn(() => this.#lost(closed, final)),
    });
    watch(this.#line);
  }

  get state(): State {
    return this.#state.value;
  }

  /** Whether the connection has ended for good. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Calls a function with the state, now and after each change. Returns what ends that. */
  readonly subscribe = this.#state.subscribe;

  /** The state. */
  readonly getSnapshot = this.#state.getSnapshot;

  /**
   * Opens a declared cursor and keeps it current. Who asks for an equal one gets
   * the same; it ends when each has closed it.
   */
  cursor<T extends Row = Row>(name: string, input: unknown = {}, narrowing: Narrowing = {}): Cursor<T> {
    return this.#follow("cursor", Cursor<T>, { open: name, in: input, ...narrowing });
  }

  /**
   * Opens a declared value and keeps it current. Who asks for an equal one gets
   * the same; it ends when each has closed it.
   */
  value<V = number>(name: string, input: unknown = {}, narrowing: Pick<Narrowing, "where"> = {}): Value<V> {
    return this.#follow("value", Value<V>, { open: name, in: input, ...narrowing });
  }

  #follow<F extends Followed<any>>(word: string, kind: new (request: Open, close: () => void) => F, request: Open): F {
    const text = canonical(request);
    const key = `${word} ${text}`;
    let shared = this.#followed.get(key);
    if (!shared) {
      const list = new kind(JSON.parse(text) as Open, () => this.#giveBack(key, list));
      shared = { list, holders: 0 };
      this.#followed.set(key, shared);
      this.keep(list);
    }
    shared.holders++;
    return shared.list as F;
  }

  #giveBack(key: string, list: List): void {
    const shared = this.#followed.get(key);
    if (shared?.list !== list || --shared.holders > 0) return;
    this.#followed.delete(key);
    this.release(list);
  }

  /** Keeps a list current. */
  keep(list: List): void {
    this.#lists.keep(list);
  }

  /** Keeps it no longer. Its since says how far it came. */
  release(list: List): void {
    this.#lists.release(list);
  }

  /**
   * Calls an action, as soon as there is a connection; URLSearchParams are sent
   * as a form. When the connection is lost before the answer, the call is sent
   * again over the next one, under its key: it takes effect once. Rejects with
   * code "disconnected" if that is the connection of another user, or comes half
   * a day later, and with "closed" if there will be none: then the call may have
   * taken effect, or not. With code "session" it has taken effect, but its
   * sign-in or sign-out was not accepted.
   */
  async call<Out = unknown>(route: string, input: unknown = {}, options: CallOptions = {}): Promise<Result<Out>> {
    const body = input instanceof URLSearchParams ? { form: input.toString() } : { in: input };
    const answer = await this.#request({ call: route, ...body, key: options.key ?? ulid() }, options.signal);
    if (answer.session) await this.#exchange(answer.session);
    return {
      status: answer.status,
      out: answer.out as Out | undefined,
      error: answer.error ?? null,
      problems: answer.error?.problems ?? {},
      location: answer.location ?? "",
      session: Boolean(answer.session),
      repeated: Boolean(answer.repeated),
    };
  }

  /** Calls a function with what the server pushes under a route. Returns what ends that. */
  on(route: string, listener: (push: Pushed) => void): () => void {
    const listeners = this.#listeners.get(route) ?? new Set();
    this.#listeners.set(route, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Ends the connection for good. */
  close(): void {
    this.#line.close();
  }

  /** Runs what a message, or a loss, does, and tells of all its changes when it is done. */
  #turn(run: () => void): void {
    const before = this.state;
    safely(run);
    const changed = [...this.#lists.changed];
    this.#lists.changed.clear();
    for (const list of changed) safely(() => list.changed());
    if (this.state !== before) this.#state.tell();
    for (const tell of this.#later.splice(0)) safely(tell);
  }

  #apply(frame: Frame): void {
    if ("hello" in frame) this.#greet(frame);
    else if ("push" in frame) this.#push(frame);
    else if ("id" in frame) this.#answer(frame);
    else if ("seq" in frame) this.#commit(frame);
    else if ("error" in frame) reportError(new TowerError(frame.error));
  }

  #greet({ epoch, build, seq, user = "", actions, cursors }: Hello): void {
    const was = this.state;
    const anew = was.epoch !== "" && (was.epoch !== epoch || was.build !== build || was.user !== user);
    if (was.online) this.#leave(!anew); // for another link
    this.#set({
      online: true,
      transport: this.#line.transport,
      epoch,
      build,
      seq,
      user,
      actions: actions ?? [],
      cursors: cursors ?? [],
      closed: null,
    });
    this.#lists.greet(epoch, anew);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const asked of waiting) {
      const { first } = asked;
      if (!first || (first.user === user && Date.now() - first.at < remembered)) this.#ask(asked);
      else asked.lost?.(disconnected(was.closed, false));
    }
  }

  #commit(frame: Commit): void {
    this.#lists.commit(frame);
    this.#set({ seq: frame.seq });
    // A framework that is told draws in a microtask of its own, before this one.
    const { from, seq } = frame;
    if (frame.ack) this.#later.push(() => queueMicrotask(() => this.#line.send(from ? { applied: seq, from } : { applied: seq })));
  }

  #push(frame: Push): void {
    const { push, status, out, error = null } = frame;
    for (const listener of this.#listeners.get(push) ?? []) this.#later.push(() => listener({ status, out, error }));
  }

  #answer(answer: Answer): void {
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    asked?.answered(answer);
  }

  #lost(closed: Closed, final: boolean): void {
    this.#ended = final;
    this.#set({ online: false, transport: "", closed });
    this.#leave(false);
    if (!final) return;
    for (const asked of this.#waiting) asked.lost?.(disconnected(closed, true));
    this.#waiting.clear();
  }

  /** Leaves a connection, or a link of it for another. */
  #leave(moving: boolean): void {
    if (moving) this.#lists.moved();
    else this.#lists.lost();
    for (const asked of this.#asked.values()) if (asked.first) this.#waiting.add(asked);
    this.#asked.clear();
  }

  #set(change: Partial<State>): void {
    this.#state.value = { ...this.state, ...change };
  }

  #request(request: Request, signal?: AbortSignal): Promise<Answer> {
    let abort = () => {};
    const answer = new Promise<Answer>((answered, lost) => {
      const asked: Asked = { request, answered, lost };
      abort = () => {
        this.#waiting.delete(asked);
        for (const [id, other] of this.#asked) if (other === asked) this.#asked.delete(id);
        lost(signal?.reason);
      };
      if (signal?.aborted) abort();
      else if (this.#ended) lost(disconnected(this.state.closed, true));
      else if (this.state.online) this.#ask(asked);
      else this.#waiting.add(asked);
    });
    signal?.addEventListener("abort", abort);
    return answer.finally(() => signal?.removeEventListener("abort", abort));
  }

  #ask(asked: Asked): void {
    const id = ++this.#lastID;
    if ("call" in asked.request) asked.first ??= { at: Date.now(), user: this.state.user };
    this.#asked.set(id, asked);
    this.#line.send({ id, ...asked.request });
  }

  /** Trades the ticket of a new session for its cookie, and connects as its user. */
  async #exchange(ticket: string): Promise<void> {
    const { ok, status } = await fetch("/_tower/session", { method: "POST", body: ticket });
    if (!ok) throw new TowerError({ code: "session", message: `The session was not accepted (${status}). Please try again.` });
    this.#line.restart();
  }
}

function disconnected(closed: Closed | null, final: boolean): TowerError {
  const why = closed?.reason ? `: ${closed.reason}` : "";
  return final
    ? new TowerError({ code: "closed", message: `The connection has ended for good${why}.` })
    : new TowerError({ code: "disconnected", message: `The connection was lost before the answer came${why}.` });
}

/** A value as JSON, the same for equal ones. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (part === null || typeof part !== "object" || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export interface Options {
  /** The server's socket, which has the others beside it; by default that of the page's own server. */
  url?: string;
  /** How to reach the server: the first that works. By default "socket", then "stream", then "poll". */
  transports?: readonly TransportName[];
  /** Whether the pages of this origin share a connection where the browser lets them. By default they do. */
  share?: boolean;
}

declare const WORKER: string; // a hash: pages share a worker with those who have the same

const stores = new Map<string, Store>();

/**
 * The store of a server. Every part of a page that connects to one in the same way
 * shares it. What is not said is what the page says in <meta name="tower">, as JSON.
 */
export function connect(options: Options = {}): Store {
  const { url = "/_tower/socket", transports = ["socket", "stream", "poll"], share = true } = { ...said(), ...options };
  const server = new URL(url, location.href);
  const way = route(server, transports);
  const shared = share && Shared.possible && server.origin === location.origin;
  const key = `${shared} ${way}`;
  let store = stores.get(key);
  if (!store || store.ended) {
    store = new Store(events => (shared ? new Shared(way, new URL(`worker.js?${WORKER}`, server), events) : dial(way, events)));
    stores.set(key, store);
  }
  return store;
}

function said(): Options {
  return JSON.parse(document.querySelector<HTMLMetaElement>('meta[name="tower"]')?.content || "{}") as Options;
}
