import { checksum, sum } from "../wire/checksum";
import { TowerError } from "../wire/error";
import { Observable } from "./observable";
import { byID, equal, overlaid, rebase, type Overlaid, type ServedList } from "./overlay";
import { records, type Answer, type Audit, type Commit, type Delta, type Entry, type Failure, type Live, type Open, type Row, type Scope } from "../wire/frames";

type Sums = Pick<Audit, "sum" | "rows">;

/** A List is anything that a store keeps current: the records of a cursor, a value, or elements of a page. */
export abstract class List {
  /** The request that opens it. */
  abstract readonly request: Open | Live;

  /** The model of its records; "" until the server has answered. */
  model = "";

  /** The seq of the last commit it contains. */
  seq = 0;

  /** The position to resume from, or "" to start over. */
  since = "";

  /** Whether it may be behind the server. */
  stale = true;

  /** The reason why the server does not keep it open, or null. */
  error: Failure | null = null;

  /** Replaces the contents. */
  abstract replace(answer: Answer): void;

  /** Applies a change. */
  abstract apply(delta: Delta, frame: Answer | Commit): void;

  /** Notifies subscribers, after a whole message has been applied. */
  abstract notify(): void;

  /** Returns the checksums of what the server sent, or undefined if it does not compare them. */
  checksums(): Sums | undefined {
    return undefined;
  }
}

/** A Followed is a list or value with subscribers. Equal requests to a store share one. */
export abstract class Followed<V> extends List {
  readonly request: Open;

  /** Settles with the server's first answer: resolves with the contents or rejects with the error. */
  readonly ready: Promise<V>;

  /** Calls a function with the contents, now and whenever they or stale change. Returns a function that unsubscribes. */
  readonly subscribe: (notify: (current: V) => void) => () => void;

  /** Returns the contents; the same object until they change. */
  readonly getSnapshot: () => V;

  /** Closes this use of it. The list ends when every user of it has closed it. */
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
    this.ready.catch(() => {}); // a rejection without a handler is not an error: the reason is in error
  }

  notify(): void {
    if (this.error) this.#ready.reject(new TowerError(this.error));
    else if (!this.stale) this.#ready.resolve(this.observed.value);
    this.observed.notify();
  }
}

const noIDs: ReadonlySet<string> = new Set();

/**
 * A Cursor is a list of records that is kept current. It shows the server's records
 * with this client's unanswered writes applied to them.
 */
export class Cursor<T extends Row = Row> extends Followed<readonly T[]> implements ServedList {
  /** The ids of the records that show an unanswered write. */
  pending = noIDs;

  /** The records that the server sent, without the writes of this client. */
  served: readonly T[] = [];

  /** The part of the query that the client knows. */
  scope: Scope | null = null;
  readonly #included = new Map<string, ReadonlyMap<string, Row>>();
  #shown = new Map<string, ReadonlyMap<string, Row>>(); // included records, with the writes applied

  constructor(request: Open, close: () => void) {
    super(request, [], close);
  }

  /** The records; the same array until they or pending change. */
  get records(): readonly T[] {
    return this.observed.value;
  }

  get count(): number {
    return this.records.length;
  }

  /** Returns the included records of a model, by id: the referenced records that the user may see. */
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

  /** Returns a record as the server sent it. */
  find(model: string, id: string): Row | undefined {
    return (model === this.model ? byID(this.served).get(id) : undefined) ?? this.#included.get(model)?.get(id);
  }

  checksums(): Sums {
    const included = sum([...this.#included], ([model, records]) => sum([...records.values()], record => checksum(record, checksum(model))));
    return sums(this.served, included);
  }

  /** Applies this client's writes to the server's records, and shows the result. Returns whether it changed. */
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

/** A Value is a count, a sum, an extreme or an average that is kept current. */
export class Value<V = number> extends Followed<V | null | undefined> {
  constructor(request: Open, close: () => void) {
    super(request, undefined, close);
  }

  /** The value. It is null if there is none, such as the minimum of no records, and undefined until the server has answered. */
  get value(): V | null | undefined {
    return this.observed.value;
  }

  replace(answer: Answer): void {
    this.observed.value = answer.value as V | null | undefined;
  }

  apply(delta: Delta): void {
    if (delta.closed || "value" in delta) this.observed.value = delta.value as V | null | undefined;
  }

  checksums(): Sums {
    return { sum: checksum(this.value) };
  }
}

/** Returns the checksums of records or ids, in order, and of what they include. */
export function sums(list: readonly unknown[], included = 0): Sums {
  const rows = list.map(one => checksum(one));
  return { sum: checksum([rows, included]), rows: rows.slice(0, 200) };
}

/** Returns the list after a delta: removes leave, then inserts enter, then applies change. */
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

/** Returns the index for a record: first, after another record, or by id in a list without an order. */
function indexFor(list: readonly Row[], id: string, after: string | undefined): number {
  const at = list.findIndex(other => (after === undefined ? other.id > id : other.id === after));
  return after === "" ? 0 : at < 0 ? list.length : after === undefined ? at : at + 1;
}

/** Returns a frame's records of a model, by id. */
function recordsByID<T extends Row>(frame: Answer | Commit, model: string): ReadonlyMap<string, T> {
  return byID(records(frame, model)) as ReadonlyMap<string, Row> as ReadonlyMap<string, T>;
}
