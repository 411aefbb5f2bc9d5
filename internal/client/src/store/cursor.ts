import { TowerError } from "../wire/error";
import { Observable } from "./observable";
import { byID, equal, overlaid, rebase, type Overlaid, type ServedList } from "./overlay";
import { records, type Answer, type Commit, type Delta, type Entry, type Failure, type Live, type Open, type Row, type Scope } from "../wire/frames";

/** A List is what a store keeps current: here the records of a cursor, on a page the elements of one. */
export abstract class List {
  /** What opens it. */
  abstract readonly request: Open | Live;

  /** The model of its records, once the server has said it. */
  model = "";

  /** The seq that it reflects. */
  seq = 0;

  /** The position that it can resume from; "" when it has to start again. */
  since = "";

  /** Whether it may be behind the server. */
  stale = true;

  /** Why the server does not keep it open. */
  error: Failure | null = null;

  /** Takes everything there is in place of what it holds. */
  abstract replace(answer: Answer): void;

  /** Takes what became of it. */
  abstract apply(delta: Delta, frame: Answer | Commit): void;

  /** Tells of what has changed, once a whole message has been applied. */
  abstract notify(): void;
}

/** What a program follows: it can be subscribed to, and is shared by all who ask the store for an equal one. */
export abstract class Followed<V> extends List {
  readonly request: Open;

  /** Settles with the server's first answer: what there is, or the reason why there is initial. */
  readonly ready: Promise<V>;

  /** Calls a function with what there is, now and whenever it or stale has changed. Returns what ends that. */
  readonly subscribe: (notify: (current: V) => void) => () => void;

  /** What there is; the same until it changes. */
  readonly getSnapshot: () => V;

  /** Gives it back. It ends when everyone who asked the store for it has done so. */
  readonly close: () => void;

  protected readonly observed: Observable<V>;
  #ready!: { resolve(value: V): void; reject(error: TowerError): void };

  constructor(request: Open, initial: V, close: () => void) {
    super();
    this.request = request;
    this.close = close;
    this.observed = new Observable(initial);
    this.subscribe = this.observed.subscribe;
    this.getSnapshot = this.observed.getSnapshot;
    this.ready = new Promise((resolve, reject) => (this.#ready = { resolve, reject }));
    this.ready.catch(() => {}); // whoever does not wait for it reads error
  }

  notify(): void {
    if (this.error) this.#ready.reject(new TowerError(this.error));
    else if (!this.stale) this.#ready.resolve(this.observed.value);
    this.observed.notify();
  }
}

const noIDs: ReadonlySet<string> = new Set();

/**
 * A Cursor is a list of records that is kept as the server would answer it now,
 * with what this client wrote and the server has not answered.
 */
export class Cursor<T extends Row = Row> extends Followed<readonly T[]> implements ServedList {
  /** The ids of the records in it that show a write which has not been answered. */
  pending = noIDs;

  /** What the server has said: its records, and what it is of, as far as that is known here. */
  served: readonly T[] = [];
  scope: Scope | null = null;
  readonly #included = new Map<string, ReadonlyMap<string, Row>>();
  #shown = new Map<string, ReadonlyMap<string, Row>>(); // the included ones, with what was written here

  constructor(request: Open, close: () => void) {
    super(request, [], close);
  }

  /** The records; the same array until they, or what is pending, change. */
  get records(): readonly T[] {
    return this.observed.value;
  }

  get count(): number {
    return this.records.length;
  }

  /** The records of a model that the cursor includes, by id: those that its own refer to, as far as the user may see them. */
  included<R extends Row = Row>(model: string): ReadonlyMap<string, R> {
    return (this.#shown.get(model) ?? new Map()) as ReadonlyMap<string, R>;
  }

  replace(answer: Answer): void {
    const records = recordsByID<T>(answer, this.model);
    this.scope = answer.scope ?? null;
    this.served = (answer.ids ?? []).flatMap(id => records.get(id) ?? []);
    this.#included.clear();
    for (const [model, ids] of Object.entries(answer.include ?? {})) this.#include(model, { enter: ids.map(id => ({ id })) }, answer);
  }

  apply(delta: Delta, frame: Answer | Commit): void {
    if ("scope" in frame) this.scope = frame.scope ?? null;
    if (delta.to || delta.closed) this.scope = delta.scope ?? null;
    for (const [model, one] of Object.entries(delta.include ?? {})) this.#include(model, one, frame);
    this.served = applyDelta(this.served, delta, recordsByID<T>(frame, this.model));
  }

  #include(model: string, delta: Delta, frame: Answer | Commit): void {
    const records = recordsByID(frame, model);
    const included = new Map(this.#included.get(model));
    for (const id of delta.leave ?? []) included.delete(id);
    for (const { id } of [...(delta.enter ?? []), ...(delta.change ?? [])]) {
      const record = records.get(id);
      if (record) included.set(id, record);
    }
    this.#included.set(model, included);
  }

  /** What the server has said of a record. */
  find(model: string, id: string): Row | undefined {
    return (model === this.model ? byID(this.served).get(id) : undefined) ?? this.#included.get(model)?.get(id);
  }

  /** Shows what the server has said, and over it what was written here. Returns whether that is something else than before. */
  show(touched: ReadonlyMap<string, ReadonlyMap<string, Overlaid>>): boolean {
    const own = touched.get(this.model);
    const records = own && this.scope ? rebase(this.served, this.scope, own) : this.served;
    const pending = records.flatMap(({ id }) => (own?.has(id) ? id : []));
    const shown = new Map([...this.#included].map(([model, served]) => [model, overlaid(served, touched.get(model))] as const));
    const all = (included: typeof shown) => [...included.values()].flatMap(records => [...records.values()]);
    if (equal(records, this.records) && equal(pending, [...this.pending]) && equal(all(shown), all(this.#shown))) return false;
    this.#shown = shown;
    this.observed.value = records === this.records ? [...records] : records;
    this.pending = pending.length > 0 ? new Set(pending) : noIDs;
    return true;
  }
}

/** A Value is a count, a sum or its like, kept as the server would answer it now. */
export class Value<V = number> extends Followed<V | null | undefined> {
  constructor(request: Open, close: () => void) {
    super(request, undefined, close);
  }

  /** The value: null where there is noIDs, as of the least of no records; undefined until the server has said it. */
  get value(): V | null | undefined {
    return this.observed.value;
  }

  replace(answer: Answer): void {
    this.observed.value = answer.value as V | null | undefined;
  }

  apply(delta: Delta): void {
    if (delta.closed || "value" in delta) this.observed.value = delta.value as V | null | undefined;
  }
}

/** The list after a delta: what left, what entered, what changed, in that order. */
export function applyDelta<T extends Row>(list: readonly T[], delta: Delta, found: ReadonlyMap<string, T>): T[] {
  const left = new Set(delta.leave);
  const next = list.filter(record => !left.has(record.id));
  for (const entry of [...(delta.enter ?? []), ...(delta.change ?? [])]) insert(next, entry, found.get(entry.id));
  return (delta.then ?? []).reduce((list, more) => applyDelta(list, more, found), next);
}

function insert<T extends Row>(list: T[], { id, after }: Entry, record: T | undefined): void {
  const at = list.findIndex(other => other.id === id);
  record ??= list[at];
  if (!record) return;
  if (at >= 0) list.splice(at, 1);
  list.splice(at >= 0 && after === undefined ? at : indexFor(list, id, after), 0, record);
}

/** Where a record stands: first, after another, or in a list without an order by its id. */
function indexFor(list: readonly Row[], id: string, after: string | undefined): number {
  const at = list.findIndex(other => (after === undefined ? other.id > id : other.id === after));
  return after === "" ? 0 : at < 0 ? list.length : after === undefined ? at : at + 1;
}

/** The records of a model that a frame holds, by id. */
function recordsByID<T extends Row>(frame: Answer | Commit, model: string): ReadonlyMap<string, T> {
  return byID(records(frame, model)) as ReadonlyMap<string, Row> as ReadonlyMap<string, T>;
}
