import { TowerError } from "./error";
import { Observable } from "./observable";
import { records, type Answer, type Commit, type Delta, type Entry, type Failure, type Live, type Open, type Row } from "./wire";

/** A List is what a store keeps current: here the records of a cursor, on a page the elements of one. */
export abstract class List {
  /** What opens it. */
  abstract readonly request: Open | Live;

  /** The model of its records, once the server has said it. */
  model = "";

  /** The seq that it reflects. */
  at = 0;

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
  abstract changed(): void;
}

/** A Cursor is a list of records that is kept as the server would answer it now. */
export class Cursor<T extends Row = Row> extends List {
  readonly request: Open;

  /** Settles with the server's first answer: the records, or the reason why there are none. */
  readonly ready: Promise<readonly T[]>;

  /** Calls a function with the records, now and whenever they or stale have changed. Returns what ends that. */
  readonly subscribe: (tell: (records: readonly T[]) => void) => () => void;

  /** The records; the same array until they change. */
  readonly getSnapshot: () => readonly T[];

  /** Gives the cursor back. It ends when everyone who asked the store for it has done so. */
  readonly close: () => void;

  #list = new Observable<readonly T[]>([]);
  #settle!: { resolve(records: readonly T[]): void; reject(error: TowerError): void };

  constructor(request: Open, close: () => void) {
    super();
    this.request = request;
    this.close = close;
    this.subscribe = this.#list.subscribe;
    this.getSnapshot = this.#list.getSnapshot;
    this.ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.ready.catch(() => {}); // whoever does not wait for it reads error
  }

  get records(): readonly T[] {
    return this.#list.value;
  }

  replace(answer: Answer): void {
    const found = byId(records<T>(answer, this.model));
    this.#list.value = (answer.ids ?? []).flatMap(id => found.get(id) ?? []);
  }

  apply(delta: Delta, frame: Answer | Commit): void {
    this.#list.value = applied(this.records, delta, byId(records<T>(frame, this.model)));
  }

  changed(): void {
    if (this.error) this.#settle.reject(new TowerError(this.error));
    else if (!this.stale) this.#settle.resolve(this.records);
    this.#list.tell();
  }
}

/** The list after a delta: what left, what entered, what changed, in that order. */
export function applied<T extends Row>(list: readonly T[], delta: Delta, found: Map<string, T>): T[] {
  const left = new Set(delta.leave);
  const next = list.filter(record => !left.has(record.id));
  for (const entry of delta.enter ?? []) put(next, entry, found.get(entry.id));
  for (const entry of delta.change ?? []) put(next, entry, found.get(entry.id));
  return (delta.then ?? []).reduce((list, more) => applied(list, more, found), next);
}

function put<T extends Row>(list: T[], { id, after }: Entry, record: T | undefined): void {
  const at = list.findIndex(other => other.id === id);
  record ??= list[at];
  if (!record) return;
  if (at >= 0 && after === undefined) {
    list[at] = record;
    return;
  }
  if (at >= 0) list.splice(at, 1);
  list.splice(place(list, id, after), 0, record);
}

/** Where a record stands: first, after another, or in a list without an order by its id. */
function place(list: readonly Row[], id: string, after: string | undefined): number {
  if (after === "") return 0;
  const at = list.findIndex(other => (after === undefined ? other.id > id : other.id === after));
  if (at < 0) return list.length;
  return after === undefined ? at : at + 1;
}

function byId<T extends Row>(list: T[]): Map<string, T> {
  return new Map(list.map(record => [record.id, record]));
}
