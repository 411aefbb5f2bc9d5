// A minimal test runner. Tests run one after another, and results resolves with their
// outcomes. An error that is reported to the window fails the test.

export interface Outcome {
  name: string;
  error: string;
}

const tests: { name: string; run: () => void | Promise<void> }[] = [];
const cleanups: (() => void)[] = [];
const reported: string[] = [];

export function test(name: string, run: () => void | Promise<void>): void {
  tests.push({ name, run });
}

/** Registers a cleanup for the end of the current test. */
export function after(cleanup: () => void): void {
  cleanups.push(cleanup);
}

/** Returns the errors that were reported to the window so far. They no longer fail the test. */
export function takeReported(): string[] {
  return reported.splice(0);
}

addEventListener("error", event => {
  reported.push(String(event.error ?? event.message));
  event.preventDefault();
});
addEventListener("unhandledrejection", event => reported.push(String(event.reason)));

const testTimeout = 100_000; // ms; the machine may be busy

/** The time limit of the Go test for all tests, in ms. */
const bound = 1000 * Number(new URLSearchParams(location.search).get("bound"));

async function runAll(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, run } of tests) {
    document.cookie = `test=${outcomes.length}`; // identifies the connections of this test
    const late = performance.now() > bound - testTimeout;
    outcomes.push({ name, error: late ? "not run: earlier tests took too long" : await outcomeOf(run) });
  }
  return outcomes;
}

async function outcomeOf(run: () => void | Promise<void>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the test timed out")), testTimeout);
  });
  let error = "";
  try {
    await Promise.race([run(), late]);
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown);
  }
  clearTimeout(timer);
  for (const cleanup of cleanups.splice(0)) cleanup();
  document.body.replaceChildren();
  await clearDevice();
  const uncaught = takeReported();
  if (!error && uncaught.length > 0) error = `reported: ${uncaught.join("; ")}`;
  return error;
}

/** Deletes what is stored, so that no test gets writes of another one. */
export async function clearDevice(): Promise<void> {
  localStorage.clear();
  for (const { name } of await indexedDB.databases()) {
    await new Promise(done => {
      const deleting = indexedDB.deleteDatabase(name!);
      deleting.onsuccess = deleting.onerror = done;
    });
  }
}

declare global {
  interface Window {
    results: Promise<Outcome[]>;
  }
}

window.results = new Promise(resolve => addEventListener("load", () => resolve(runAll())));

/** Fails the test unless two values are equal as JSON. */
export function equal(actual: unknown, expected: unknown, what = "value"): void {
  const [got, want] = [sorted(actual), sorted(expected)];
  if (got !== want) throw new Error(`${what}\n got ${got}\nwant ${want}`);
}

/** Fails the test unless a condition holds. */
export function ok(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

function sorted(value: unknown): string {
  if (value === undefined) return "undefined";
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Resolves once a condition holds. It checks after each change of the document. */
export function seen(condition: () => boolean, target: Node = document): Promise<void> {
  return new Promise(resolve => {
    if (condition()) return resolve();
    const observer = new MutationObserver(() => {
      if (!condition()) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(target, { subtree: true, childList: true, attributes: true, characterData: true });
  });
}

/** Returns a generator of random numbers. The seed is in the URL of the page and in the log of the test. */
export function random(seed = Number(new URLSearchParams(location.search).get("seed"))): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Returns the error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
}
