import { comparator, holds, memo, zero, type Fields } from "../wire/conditions";
import type { Row, Scope } from "../wire/frames";

/** The effect of a write on a record, on this client, until the server answers. */
export interface Effect {
  readonly op: "create" | "update" | "delete";
  readonly model: string;
  readonly id: string;
  /** New values of fields. */
  readonly set?: Readonly<Record<string, unknown>>;
}

/** A record after the effects on it. record is null if it was deleted or is unknown to this client. */
export interface Overlaid {
  readonly record: Row | null;
  /** Whether the record exists only on this client so far. */
  readonly created: boolean;
}

/** A list as the server sent it. */
export interface ServedList {
  readonly model: string;
  readonly seq: number;
  readonly served: readonly Row[];
  readonly scope: Scope | null;
  find(model: string, id: string): Row | undefined;
}

/** An Overlaid with the inputs it was computed from. */
interface Computed extends Overlaid {
  readonly base: Row | undefined;
  readonly effects: readonly Effect[];
  /** Whether the model's fields were known. */
  readonly fieldsKnown: boolean;
}

/** An Overlay applies the effects of unanswered writes to the records that the server sent. */
export class Overlay {
  #computed = new Map<string, Computed>();
  readonly #released = new Map<string, Row>();

  /** Returns the records with effects, after these effects, by model and id. */
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

  /** Remembers the records of a closing list that have effects: other lists may still show them. */
  remember({ model, served }: ServedList): void {
    for (const record of served) {
      const key = `${model} ${record.id}`;
      if (this.#computed.has(key)) this.#released.set(key, record);
    }
  }
}

/** Applies effects to a record. If the model's fields are unknown, the record's own fields count. */
function compute(base: Row | undefined, effects: readonly Effect[], shapes: Fields | undefined): Computed {
  const fields = shapes ?? Object.fromEntries(Object.keys(base ?? {}).map(name => [name, "any"]));
  let record = base ?? null;
  for (const { op, id, set = {} } of effects) {
    if (op === "delete") record = null;
    else if (op === "update") record &&= { ...record, ...knownFields(set, fields) };
    else if (shapes) record ??= { ...zeroRecord(fields), ...knownFields(set, fields), id }; // if the server has the record, the create took effect
  }
  return { record, created: !base && record !== null, base, effects, fieldsKnown: Boolean(shapes) };
}

/** Returns the entries for fields that the model has. Drops null for a field that cannot be null. */
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

/** Returns the records with the effects applied, by id. */
export function overlaid(served: ReadonlyMap<string, Row>, touched: ReadonlyMap<string, Overlaid> | undefined): ReadonlyMap<string, Row> {
  if (!touched) return served;
  return new Map([...served].flatMap(([id, old]) => {
    const record = touched.has(id) ? touched.get(id)!.record : old;
    return record ? [[id, record] as const] : [];
  }));
}

/** Returns the comparison and the test of a scope. Records are immutable, so the test caches its results. */
const matcher = memo(({ fields, where = {}, order = [] }: Scope) => ({
  compare: comparator(order, fields),
  matches: memo((record: Row) => holds(where, record, fields)),
}));

/**
 * Returns the records of a cursor with the effects applied, as far as the client can
 * predict them. A record with effects leaves if it no longer meets the conditions, and
 * enters if it does. If a rule also applies, only records that this client created may
 * enter. A record beyond the known neighbors of the window does not enter: the server
 * decides about it.
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

/** Returns records by id. */
export const byID = memo((records: readonly Row[]) => new Map(records.map(record => [record.id, record])));

/** Reports whether two lists have identical elements. */
export function equal(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

/** Returns the value of a key. A missing one is created and stored. */
function getOrCreate<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
