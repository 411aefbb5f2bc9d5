import type { Failure, Problems } from "./frames";

/**
 * Returns the refusal of an input that JSON cannot carry: it would turn a NaN into
 * null, and drop a Map. Members that are undefined are not sent, and are not refused.
 * Returns null if the input can be sent.
 */
export function refusalOf(input: unknown): Failure | null {
  const problems: Problems = {};
  examine(input, "", problems);
  if (Object.keys(problems).length === 0) return null;
  return { code: "invalid", message: "not valid", problems };
}

function examine(value: unknown, path: string, problems: Problems): void {
  const problem = problemOf(value);
  if (problem) problems[path] = [problem];
  else if (Array.isArray(value)) value.forEach((part, i) => member(part, i));
  else if (value instanceof Object && !("toJSON" in value)) {
    for (const [name, part] of Object.entries(value)) part !== undefined && member(part, name);
  }

  function member(part: unknown, name: string | number) {
    const at = path ? `${path}.${name}` : `${name}`;
    if (part !== undefined) examine(part, at, problems);
    else problems[at] = ["is undefined, which cannot be sent"];
  }
}

function problemOf(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value)) return `is ${value}, which cannot be sent`;
  if (typeof value === "bigint") return "is a bigint; send its digits as a string";
  if (typeof value === "function" || typeof value === "symbol") return `is a ${typeof value}, which cannot be sent`;
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) return "is not valid Unicode text";
  if (value instanceof Date && Number.isNaN(value.getTime())) return "is not a time";
  if (value instanceof Map || value instanceof Set) return "is a Map or a Set, which cannot be sent";
  return "";
}
