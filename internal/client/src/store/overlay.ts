import { comparator, holds, memo, zero, type Fields } from "../wire/conditions";
import type { Row, Scope } from "../wire/frames";

/** What a write does to a record on this client, until the server has said what it did. */
export interface Effect {
  readonly op: "create" | "update" | "delete";
  readonly model: string;
  readonly id: string;
  /** What fields become. */
  readonly set?: Readonly<Record<string, unknown>>;
}

/** A record that effects touch, as they leave it: null if it is gone, or not known here. */
export interface Overlaid {
  readonly record: Row | null;
  /** Whether only this client knows of it yet. */
  readonly created: boolean;
}

/** A list as the server keeps it. */
export interface ServedList {
  readonly model: string;
  readonly seq: number;
  readonly served: readonly Row[];
  readonly scope: Scope | null;
  find(model: string, id: string): Row | undefined;
}

interface Computed extends Overlaid {
  readonly base: Row | undefined;
  readonly effects: readonly Effect[];
  /** Whether the model's fields were known. */
  readonly fieldsKnown: boolean;
}

/** An Overlay lays effects over the records that the server has sent. */
export class Overlay {
  #computed = new Map<string, Computed>();
  readonly #released = new Map<string, Row>();

  /** What effects make of the records that they touch, by model and id. */
  touched(effects: readonly Effect[], lists: readonly ServedList[]): Map<string, Map<string, Overlaid>> {
    const models = new Map<string, Map<string, Effect[]>>();
    for (const effect of effects) {
      const ids = getOrCreate(models, effect.model, () => new Map<string, Effect[]>());
      getOrCreate(ids, effect.id, () => []).push(effect);
    }
    const before = this.#computed;
    this.#computed = new Map();
    const touched = new Map<string, Map<string, Overlaid>>();
    const newest = [...lists].sort((a, b) => b.seq - a.seq);
    for (const [model, ids] of models) {
      const fields = newest.find(list => list.model === model && list.scope)?.scope?.fields;
      for (const [id, effects] of ids) {
        const key = `${model} ${id}`;
        const base = find(newest, model, id) ?? this.#released.get(key);
        const old = before.get(key);
        const computed = old && old.base === base && old.fieldsKnown === Boolean(fields) && equal(old.effects, effects) ? old : compute(base, effects, fields);
        this.#computed.set(key, computed);
        getOrCreate(touched, model, () => new Map<string, Overlaid>()).set(id, computed);
      }
    }
    for (const key of this.#released.keys()) if (!this.#computed.has(key)) this.#released.delete(key);
    return touched;
  }

  /** Remembers what a list that is given back knew of the records that are touched: others may show them. */
  remember({ model, served }: ServedList): void {
    for (const record of served) {
      const key = `${model} ${record.id}`;
      if (this.#computed.has(key)) this.#released.set(key, record);
    }
  }
}

/** Makes what effects leave of a record. Of a model that is only known as included, the fields are those that it has. */
function compute(base: Row | undefined, effects: readonly Effect[], shapes: Fields | undefined): Computed {
  const fields = shapes ?? Object.fromEntries(Object.keys(base ?? {}).map(name => [name, "any"]));
  let record = base ?? null;
  for (const { op, id, set = {} } of effects) {
    if (op === "delete") record = null;
    else if (op === "update") record &&= { ...record, ...knownFields(set, fields) };
    else if (shapes) record ??= { ...zeroRecord(fields), ...knownFields(set, fields), id }; // what the server has is no longer to be computed
  }
  return { record, created: !base && record !== null, base, effects, fieldsKnown: Boolean(shapes) };
}

/** What the model has fields for. null means nothing to one that cannot be null. */
function knownFields(set: object, fields: Fields): object {
  return Object.fromEntries(
    Object.entries(set).filter(([name, value]) => {
      const shape = fields[name];
      return shape !== undefined && value !== undefined && (value !== null || zero(shape) === null);
    }),
  );
}

function zeroRecord(fields: Fields): object {
  return Object.fromEntries(Object.entries(fields).map(([name, shape]) => [name, zero(shape)]));
}

function find(lists: readonly ServedList[], model: string, id: string): Row | undefined {
  for (const list of lists) {
    const found = list.find(model, id);
    if (found) return found;
  }
  return undefined;
}

/** Records by id, with what became of those that are touched. */
export function overlaid(served: ReadonlyMap<string, Row>, touched: ReadonlyMap<string, Overlaid> | undefined): ReadonlyMap<string, Row> {
  if (!touched) return served;
  return new Map([...served].flatMap(([id, old]) => {
    const record = touched.has(id) ? touched.get(id)!.record : old;
    return record ? [[id, record] as const] : [];
  }));
}

/** What a scope asks of records. They do not change, so each is asked about once. */
const matcher = memo(({ fields, where = {}, order = [] }: Scope) => ({
  compare: comparator(order, fields),
  matches: memo((record: Row) => holds(where, record, fields)),
}));

/**
 * The records of a cursor as they will be, as far as that can be told here. A
 * record that it has stays while its conditions hold for it, and one that it has
 * not enters when they do; where there is more to it than conditions, only one
 * that nobody else knows of. What would stand where the window's neighbors are not
 * known is left to the server.
 */
export function rebase<T extends Row>(served: readonly T[], scope: Scope, touched: ReadonlyMap<string, Overlaid>): readonly T[] {
  const { limit = 0, offset = 0, rule, ranked } = scope;
  const { compare, matches } = matcher(scope);
  const list: T[] = [];
  const placed: T[] = [];
  const there = new Set<string>();
  for (const old of served) {
    there.add(old.id);
    const record = touched.has(old.id) ? (touched.get(old.id)!.record as T | null) : old;
    if (record === old) list.push(old);
    else if (record && matches(record)) (ranked || !compare(record, old) ? list : placed).push(record);
  }
  const [first, last] = [served[0], served.at(-1)];
  const full = limit > 0 && served.length >= limit;
  const within = (record: Row) =>
    ranked ? !full && !offset : (!full || compare(record, last!) < 0) && (!offset || (first && compare(record, first) > 0));
  for (const [id, { record, created }] of touched) {
    if (!there.has(id) && record && matches(record) && (created || !rule) && within(record)) placed.push(record as T);
  }
  const all = [...placed, ...list];
  if (!ranked) all.sort(compare);
  return limit ? all.slice(0, limit) : all;
}

/** Records by their ids. */
export const byID = memo((records: readonly Row[]) => new Map(records.map(record => [record.id, record])));

/** Whether two lists have the same elements. */
export function equal(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

/** What a map has under a key; what make makes, where it has nothing. */
function getOrCreate<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
