// A test runner of one idea: tests run one after another, and results tells
// what became of them. What is reported to the window fails the test.

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

/** Runs when the test at hand has ended. */
export function after(cleanup: () => void): void {
  cleanups.push(cleanup);
}

/** The errors that were reported to the window so far; they no longer fail the test. */
export function takeReported(): string[] {
  return reported.splice(0);
}

addEventListener("error", event => {
  reported.push(String(event.error ?? event.message));
  event.preventDefault();
});
addEventListener("unhandledrejection", event => reported.push(String(event.reason)));

const patience = 30_000; // ms for a test, on a machine that is busy with others

/** How long the Go test waits for all, in ms. */
const bound = 1000 * Number(new URLSearchParams(location.search).get("bound"));

async function runAll(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, run } of tests) {
    document.cookie = `test=${outcomes.length}`; // by which the server tells its connections from those of other tests
    const late = performance.now() > bound - patience;
    outcomes.push({ name, error: late ? "not run: the tests before took too long" : await outcomeOf(run) });
  }
  return outcomes;
}

async function outcomeOf(run: () => void | Promise<void>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it has not ended in time")), patience);
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
  await forget();
  const uncaught = takeReported();
  if (!error && uncaught.length > 0) error = `reported: ${uncaught.join("; ")}`;
  return error;
}

/** Empties the disk, so that no test inherits writes of another. */
async function forget(): Promise<void> {
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

export function equal(actual: unknown, expected: unknown, what = "value"): void {
  const [got, want] = [sorted(actual), sorted(expected)];
  if (got !== want) throw new Error(`${what}\n got ${got}\nwant ${want}`);
}

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

/** Resolves once a condition holds that the document's changes may bring about. */
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

/** Random numbers that a seed repeats; the seed is in the page's address and in the test's log. */
export function random(seed = Number(new URLSearchParams(location.search).get("seed"))): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
