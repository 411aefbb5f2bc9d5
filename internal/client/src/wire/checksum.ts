// The checksum of what a cursor holds. internal/wire describes it; the Go implementation is in wire/replica.

/** Returns the checksum of a JSON value, continued from a seed. */
export function checksum(value: unknown, seed = 0): number {
  if (Array.isArray(value)) return checksum("]", value.reduce((hash: number, one) => checksum(one, hash), checksum("[", seed)));
  if (value === Object(value)) {
    seed = checksum("{", seed);
    return checksum(sum(Object.entries(value as object), ([key, one]) => checksum(one, checksum(key, seed))), seed);
  }
  let hash = seed ^ 2166136261;
  for (const byte of new TextEncoder().encode(String(value))) hash = Math.imul(hash ^ byte, 16777619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Returns the sum of the checksums of values, modulo 2^32. */
export function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((all, value) => (all + of(value)) >>> 0, 0);
}
