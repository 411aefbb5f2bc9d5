/** Time limits and intervals, in ms. Tests shorten them. */
export const timeouts = {
  /** Limit for the hello of a transport that is not the last choice. */
  hello: 5_000,
  /** Interval of checks while the page is visible. */
  check: 15_000,
  /** Silence after which the client sends a ping. */
  silence: 25_000,
  /** Limit for the answer to a ping; four times as long while requests are unanswered. */
  pong: 10_000,
  /** Delay before the first trial of a better transport. */
  upgrade: 5_000,
  /** Limit for a poll. The server answers ten seconds earlier. */
  poll: 35_000,
  /** Delay before a failed request is sent again. */
  retry: 500,
  /** Limit for an answer of the shared worker. */
  worker: 5_000,
};

/** Calls run after a delay. The returned function cancels the call. */
export function deadline(run: () => void, ms: number, frozen = false): () => void {
  const due = Date.now() + ms;
  let cancel = () => clearTimeout(timer);
  const timer = setTimeout(() => {
    // The page was frozen or asleep: let it first process what arrived meanwhile.
    if (!frozen && Date.now() > due + 1000) cancel = deadline(run, ms, true);
    else run();
  }, ms);
  return () => cancel();
}
