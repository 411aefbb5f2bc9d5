import { timeouts } from "./timeouts";
import { broken, refused, restarting, tooBig, type Link, type LinkEvents, type Transport } from "./transport";
import { framesOf, parse, type Delivery, type Failure } from "../wire/frames";

const maxRequestTries = 3; // then the link counts as broken
const maxBatchSize = 100_000; // characters of frames in one request
const batchTimeout = 40_000; // ms; the calls in a batch may take long
const pingInterval = 120_000; // ms between two pings on a stream

// Close codes by HTTP status. A server that does not know the link has restarted.
const closeCodes: Record<number, number> = { 404: restarting, 413: tooBig, 503: restarting };

/** Receives frames over an event stream and sends them in requests. */
export function stream(url: URL): Transport {
  const run: Run = async (link, ended) => {
    // Without a body: some proxies cut off a response that begins before they have forwarded the request body.
    const response = await link.post("stream", () => null);
    if (!response) return;
    const timer = setInterval(() => link.send(`{"ping":true}`), pingInterval);
    ended.addEventListener("abort", () => clearInterval(timer));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let buffered = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream has ended");
      const lines = (buffered + value).split("\n");
      buffered = lines.pop()!;
      for (const line of lines) {
        if (line.startsWith("data: ")) link.deliver(parse(line.slice(6)) as Delivery);
        else if (line) link.deliver({}); // a comment
      }
    }
  };
  return { name: "stream", open: events => new HTTPLink(url, events, run) };
}

/** Receives and sends frames in requests. One request always waits for the next message. */
export function poll(url: URL): Transport {
  const run: Run = async link => {
    let wait = timeouts.poll - 10_000;
    for (let have = 0; ; ) {
      const body = (failures: number) => {
        if (failures) wait = Math.max(5_000, wait / 2); // a proxy may cut off long requests
        return JSON.stringify(link.id ? { link: link.id, have, wait: Math.round(wait / 1000) } : {});
      };
      const response = await link.post("poll", body, timeouts.poll);
      if (!response) return;
      const delivery = parse(await response.text()) as Delivery;
      have = delivery.number ?? have;
      link.deliver(delivery);
    }
  };
  return { name: "poll", open: events => new HTTPLink(url, events, run) };
}

/** Opens a link and delivers its messages until it ends. */
type Run = (link: HTTPLink, ended: AbortSignal) => Promise<void>;

/** An HTTPLink sends frames in numbered requests. It repeats a request that got no response. */
class HTTPLink implements Link {
  id = "";
  readonly #url: URL;
  readonly #events: LinkEvents;
  readonly #end = new AbortController();
  readonly #ended = this.#end.signal;
  #queue: string[] = [];
  #sending = false;
  #batch = 0;

  constructor(url: URL, events: LinkEvents, run: Run) {
    this.#url = url;
    this.#events = events;
    queueMicrotask(() => run(this, this.#ended).catch(error => this.#stop(broken, String(error))));
  }

  send(frame: string): void {
    this.#queue.push(frame);
    if (!this.#sending) void this.#flush();
  }

  close(): void {
    if (this.#ended.aborted) return;
    this.#end.abort();
    if (this.id) this.#fetch("send", { body: JSON.stringify({ link: this.id, end: true }), keepalive: true }).catch(() => {});
  }

  deliver({ link, message, end }: Delivery): void {
    if (this.#ended.aborted) return;
    if (link) {
      this.id = link;
      this.#events.open();
    } else if (end) this.#stop(end.code, end.reason);
    else this.#events.received(framesOf(message ?? []));
  }

  /** Posts a body, which may differ for a retry. Returns null if the link has ended. */
  async post(path: string, body: (failures: number) => string | null, timeout?: number): Promise<Response | null> {
    for (let failures = 0; !this.#ended.aborted; ) {
      let reason: string;
      try {
        const signal = timeout ? AbortSignal.any([this.#ended, AbortSignal.timeout(timeout)]) : this.#ended;
        const response = await this.#fetch(path, { body: body(failures), signal });
        if (response.ok) return response;
        reason = `${path}: status ${response.status}`;
        const answer = (await response.json().catch(() => null)) as { error?: Failure } | null;
        if (answer?.error) this.#stop(closeCodes[response.status] ?? refused(response.status), answer.error.message, answer.error.retryAfter);
      } catch (error) {
        reason = String(error);
      }
      if (!this.id || ++failures === maxRequestTries) this.#stop(broken, reason);
      else await new Promise(resolve => setTimeout(resolve, timeouts.retry * failures));
    }
    return null;
  }

  /** Sends the queued frames in batches, one at a time, so that they arrive in order. */
  async #flush(): Promise<void> {
    this.#sending = true;
    await null; // frames sent in one turn go into one batch
    while (this.#queue.length > 0 && !this.#ended.aborted) {
      let [count, size] = [0, 0];
      while (count < this.#queue.length && size < maxBatchSize) size += this.#queue[count++]!.length;
      const batch = this.#queue.splice(0, count);
      const number = ++this.#batch;
      await this.post("send", () => `{"link":"${this.id}","number":${number},"frames":[${batch}]}`, batchTimeout);
    }
    this.#sending = false;
  }

  #stop(code: number, reason: string, retryAfter?: number): void {
    if (this.#ended.aborted) return;
    this.#end.abort();
    this.#events.close({ code, reason, retryAfter });
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.#url), { method: "POST", headers: { "Content-Type": "application/json" }, ...init });
  }
}
