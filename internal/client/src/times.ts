/** How long things may take, in ms. Tests are in more of a hurry. */
export const times = {
  /** Before the first retry, at most. */
  soon: 100,
  /** Before any other, and for the last transport to bring the server's hello. */
  later: 10_000,
  /** For another transport to do so. */
  hello: 5_000,
  /** After which a link that breaks has been a good one. */
  steady: 60_000,
  /** Between two looks at the link while the page is seen. */
  look: 15_000,
  /** Of silence, after which the server is pinged. */
  quiet: 25_000,
  /** For the answer to a ping; four times that while other answers are due. */
  answer: 10_000,
  /** Before a better transport is tried again, first and at most. */
  climb: 5_000,
  climbs: 300_000,
  /** For the link that is left to bring what was sent before. */
  drain: 2_000,
  /** For a poll, and what the server may take of that; for a batch of calls. */
  poll: 35_000,
  wait: 25_000,
  batch: 40_000,
  /** Before a request is made again. */
  again: 500,
  /** Between two signs of life that the server of a stream gets. */
  alive: 120_000,
  /** For the worker that pages share to answer. */
  worker: 5_000,
};
