// The vectors are made from what conditions mean in Go.

import vectors from "../../query/testdata/vectors.jsonl";
import { comparator, holds, type Fields, type Where } from "../src/wire/conditions";
import { parse, type Row } from "../src/wire/frames";
import { equal, ok, test } from "./runner";

interface Line {
  fields?: Fields;
  record?: Row;
  where?: Where;
  holds?: number[];
  order?: string[] | null;
  sorted?: number[];
}

const lines = vectors.trim().split("\n").map(line => parse(line) as Line);
const fields = lines[0]!.fields!;
const records = lines.flatMap(({ record }) => record ?? []);

test("conditions hold for what they hold for in Go", () => {
  const conditions = lines.filter(({ where }) => where);
  ok(conditions.length > 100 && records.length > 10, "there are vectors");
  for (const { where, holds: wanted } of conditions) {
    const got = records.flatMap((record, i) => (holds(where!, record, fields) ? i : []));
    equal(got, wanted, JSON.stringify(where));
  }
});

test("records stand in the order that they have in Go", () => {
  const orders = lines.filter(({ sorted }) => sorted);
  ok(orders.length > 10, "there are vectors");
  for (const { order, sorted } of orders) {
    const compare = comparator(order ?? [], fields);
    const got = records.map((_, i) => i).sort((i, j) => compare(records[i]!, records[j]!));
    equal(got, sorted, JSON.stringify(order));
  }
});

test("times are the same in every zone and with any number of digits", () => {
  const shape = { at: "time" };
  const record = { id: "a", at: "2026-01-01T00:00:00.5Z" } as Row;
  for (const same of ["2026-01-01T01:00:00.500000+01:00", "2025-12-31T19:00:00.5-05:00", "2026-01-01T00:00:00.5000009Z"]) {
    ok(holds({ at: same }, record, shape), same);
  }
  ok(!holds({ at: "2026-01-01T00:00:00Z" }, record, shape), "half a second is something");
  ok(holds({ at: { exists: false } }, { id: "b", at: "0001-01-01T00:00:00.000Z" } as Row, shape), "the zero time is null");
});

test("what a field cannot hold does not disturb", () => {
  const shape = { count: "int", at: "time", tags: "[]string" };
  const record = { id: "a", count: "many", at: "soon", tags: null } as Row;
  for (const where of [{ count: 1 }, { count: { gt: 1 } }, { at: { lt: "2026-01-01T00:00:00Z" } }, { tags: { contains: "x" } }, { unknown: 1 }]) {
    ok(!holds(where, record, shape), JSON.stringify(where));
  }
});

test("numbers that JavaScript cannot hold keep their digits", () => {
  const json = '{"a":9007199254740993,"b":-9223372036854775808,"c":[18446744073709551615,1],"d":"9007199254740993 \\"1e999","e":123456789.12345678901234567,"f":100000000000000000,"g":12345678901234567e2}';
  equal(parse(json), {
    a: "9007199254740993", b: "-9223372036854775808", c: ["18446744073709551615", 1], d: '9007199254740993 "1e999',
    e: 123456789.12345678901234567, f: 1e17, g: 12345678901234567e2,
  });
});
