/** How long some things may take, in ms. Tests are in more of a hurry. */
export const timeouts = {
  /** For a transport to bring the server's hello, while there is another. */
  hello: 5_000,
  /** Between two looks at the link while the page is seen. */
  check: 15_000,
  /** Of silence, after which the server is pinged. */
  silence: 25_000,
  /** For the answer to a ping; four times that while other answers are due. */
  pong: 10_000,
  /** Before a better transport is tried, first. */
  upgrade: 5_000,
  /** For a poll; the server has ten seconds less. */
  poll: 35_000,
  /** Before a request is made again. */
  retry: 500,
  /** For the worker that pages share to answer. */
  worker: 5_000,
};

/** Runs something when its time has come, unless it is called off by what is returned. */
export function deadline(run: () => void, ms: number, frozen = false): () => void {
  const due = Date.now() + ms;
  let cancel = () => clearTimeout(timer);
  const timer = setTimeout(() => {
    // What came while the page was frozen, or asleep, is still to be seen.
    if (!frozen && Date.now() > due + 1000) cancel = deadline(run, ms, true);
    else run();
  }, ms);
  return () => cancel();
}
