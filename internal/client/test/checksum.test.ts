// The vectors are checksums that the implementation in Go computes.

import vectors from "../../wire/replica/testdata/checksums.jsonl";
import { checksum } from "../src/wire/checksum";
import { parse } from "../src/wire/frames";
import { equal, ok, test } from "./runner";

test("checksums are those of Go", () => {
  const lines = vectors.trim().split("\n").map(line => JSON.parse(line) as { json: string; sum: number });
  ok(lines.length > 20, "there are vectors");
  for (const { json, sum } of lines) equal(checksum(parse(json)), sum, json);
});
