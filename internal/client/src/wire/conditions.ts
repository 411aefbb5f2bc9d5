// Evaluates conditions and orders as the server does. The vectors in
// internal/cursor/testdata test both implementations.

import type { Row } from "./frames";

/** Conditions as a client narrows a cursor with: {published: true, likes: {gte: 3}, or: [{…}, {…}]}. */
export type Where = Readonly<Record<string, unknown>>;

/** Maps field names of a model to the shapes of their values. internal/wire lists the shapes. */
export type Fields = Readonly<Record<string, string>>;

type Comparable = null | boolean | number | bigint | string;

/**
 * Throws if a part of a condition or an order is undefined. JSON would leave it out, and
 * a condition that is left out holds for every record.
 */
export function requireDefined(value: unknown, name: string): void {
  if (value === undefined) throw new TypeError(`tower: ${name} is undefined`);
  if (value === null || typeof value !== "object") return;
  const parts = Array.isArray(value) ? [...value] : value; // a copy has no holes
  for (const [key, part] of Object.entries(parts)) requireDefined(part, `${name}.${key}`);
}

/** Reports whether a record meets all conditions. */
export function holds(where: Where, record: Row, fields: Fields): boolean {
  const each = (parts: unknown) => (parts as Where[]).map(part => holds(part, record, fields));
  return Object.entries(where).every(([name, test]) => {
    if (name === "and") return each(test).every(Boolean);
    if (name === "or") return each(test).some(Boolean);
    if (name === "not") return !holds(test as Where, record, fields);
    return passes(test, (record as unknown as Record<string, unknown>)[name], fields[name] ?? "any");
  });
}

function passes(test: unknown, raw: unknown, shape: string): boolean {
  if (test === null || typeof test !== "object") test = { is: test };
  return Object.entries(test as object).every(([operator, wanted]) => {
    if (operator === "not") return !passes(wanted, raw, shape);
    if (shape.startsWith("[")) return listPasses(operator, wanted, raw as unknown[] | null | undefined, shape.slice(2));
    const value = comparable(raw, shape);
    const order = (wanted: unknown) => compare(value, wanted === null ? null : comparable(wanted, shape));
    if (operator === "is") return order(wanted) === 0;
    if (operator === "in") return (wanted as unknown[]).some(one => order(one) === 0);
    if (operator === "exists") return (value !== null) === wanted;
    if (value === null) return false;
    if (operator === "contains") return String(value).includes(wanted as string);
    const direction = order(wanted);
    return (direction === 0 && operator.endsWith("e")) || (operator.startsWith("g") ? direction > 0 : direction < 0);
  });
}

function listPasses(operator: string, wanted: unknown, list: unknown[] | null | undefined, shape: string): boolean {
  if (operator !== "contains") return (list != null) === (operator === "exists" && wanted);
  const value = comparable(wanted, shape);
  return (list ?? []).some(one => compare(comparable(one, shape), value) === 0);
}

/** Returns a comparison function for Array.sort from an order such as ["-createdAt"]. */
export function comparator(order: readonly string[], fields: Fields): (a: Row, b: Row) => number {
  const terms = order.map(term => (term.startsWith("-") ? { name: term.slice(1), sign: -1 } : { name: term, sign: 1 }));
  const last = terms.at(-1)?.sign ?? 1;
  const values = memo((record: Row) =>
    terms.map(({ name }) => comparable((record as unknown as Record<string, unknown>)[name], fields[name] ?? "any")),
  );
  return (a, b) => {
    const [left, right] = [values(a), values(b)];
    for (const [i, { sign }] of terms.entries()) {
      const order = compare(left[i]!, right[i]!);
      if (order) return sign * order;
    }
    return last * compare(a.id, b.id);
  };
}

/** Caches the results of a function of immutable objects. */
export function memo<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const cache = new WeakMap<K, { value: V }>();
  return key => {
    let entry = cache.get(key);
    if (!entry) cache.set(key, (entry = { value: compute(key) }));
    return entry.value;
  };
}

/** Returns the zero value of a shape, as it appears in JSON. */
export function zero(shape: string): unknown {
  return zeros[shape] ?? null;
}

const zeros: Record<string, unknown> = { bool: false, int: 0, uint: 0, float: 0, string: "", ref: "", time: "0001-01-01T00:00:00Z" };

/** Converts a JSON value of a shape to a value that compare accepts. */
function comparable(raw: unknown, shape: string): Comparable {
  raw ??= zero(shape);
  if (raw === null) return null;
  switch (shape.replace("?", "")) {
    case "ref":
      return (raw as string) || null;
    case "time":
      return sortableTime(String(raw));
    case "int":
    case "uint":
      return Number.isSafeInteger(raw) || !/^-?\d+$/.test(String(raw)) ? (raw as number) : BigInt(String(raw));
    case "object":
      return true;
  }
  return raw as Comparable;
}

/** Returns a string that sorts by time, to the microsecond, or null for the zero time. */
function sortableTime(text: string): string | null {
  const [, second, fraction = "", zone] = /^([^.]*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const at = Date.parse(`${second}${zone}`);
  if (Number.isNaN(at)) return text;
  const sortable = `${new Date(at).toISOString().slice(0, 19)}.${fraction.slice(0, 6).replace(/0+$/, "")}`;
  return sortable === "0001-01-01T00:00:00." ? null : sortable;
}

function compare(a: Comparable, b: Comparable): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  return a < b ? -1 : a > b ? 1 : a == b ? 0 : NaN;
}

/** Compares by code point, as the bytes of UTF-8 sort. UTF-16 sorts surrogates before U+E000. */
function compareText(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = sortUnit(a.charCodeAt(i)) - sortUnit(b.charCodeAt(i));
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function sortUnit(code: number): number {
  if (code < 0xd800) return code;
  return code < 0xe000 ? code + 0x2000 : code - 0x800;
}
