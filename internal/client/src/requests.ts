import { times } from "./times";
import { broken, restarting, type Link, type LinkEvents, type Transport } from "./transport";
import { list, type Delivery, type Failure } from "./wire";

const tries = 3;
const together = 100_000; // characters of frames in one request

/** An event stream, and requests beside it. */
export function stream(url: URL): Transport {
  return { name: "stream", open: events => new Stream(url, events) };
}

/** Requests alone: one of them always waits for a message. */
export function poll(url: URL): Transport {
  return { name: "poll", open: events => new Polls(url, events) };
}

/** A link that is carried by requests. They are numbered, and made again where there was no answer. */
abstract class Requests implements Link {
  id = "";
  protected readonly ended = new AbortController();
  readonly #url: URL;
  readonly #events: LinkEvents;
  #queue: string[] = [];
  #sending = false;
  #batch = 0;

  constructor(url: URL, events: LinkEvents) {
    this.#url = url;
    this.#events = events;
    queueMicrotask(() => this.run().catch(error => this.end(broken, String(error))));
  }

  /** Opens the link, and takes its messages. */
  protected abstract run(): Promise<void>;

  send(frame: string): void {
    this.#queue.push(frame);
    if (!this.#sending) void this.#flush();
  }

  close(): void {
    if (this.ended.signal.aborted) return;
    this.ended.abort();
    if (this.id) this.#fetch("send", { body: JSON.stringify({ link: this.id, end: true }), keepalive: true }).catch(() => {});
  }

  protected end(code: number, reason: string): void {
    if (this.ended.signal.aborted) return;
    this.ended.abort();
    this.#events.close({ code, reason });
  }

  protected take({ link, message, end }: Delivery): void {
    if (this.ended.signal.aborted) return;
    if (link) {
      this.id = link;
      this.#events.open();
    } else if (end) this.end(end.code, end.reason);
    else this.#events.received(list(message ?? []));
  }

  /** Sends one batch at a time, of what has come meanwhile: so all arrives in order. */
  async #flush(): Promise<void> {
    this.#sending = true;
    await null; // what is sent in one turn goes together
    while (this.#queue.length > 0 && !this.ended.signal.aborted) {
      let [count, size] = [0, 0];
      while (count < this.#queue.length && size < together) size += this.#queue[count++]!.length;
      const batch = this.#queue.splice(0, count);
      const number = ++this.#batch;
      await this.post("send", () => `{"link":"${this.id}","number":${number},"frames":[${batch}]}`, times.batch);
    }
    this.#sending = false;
  }

  /** Posts a body, and what it is then where there was no answer. Null: the link has ended. */
  protected async post(path: string, body: (failed: number) => string | null, patience: number): Promise<Response | null> {
    for (let failed = 0; !this.ended.signal.aborted; ) {
      let reason: string;
      try {
        const signal = AbortSignal.any([this.ended.signal, AbortSignal.timeout(patience)]);
        const response = await this.#fetch(path, { body: body(failed), signal });
        if (response.ok) return response;
        reason = `${path} was answered with status ${response.status}`;
        const refusal = (await response.json().catch(() => null)) as { error?: Failure } | null;
        if (refusal?.error) {
          // Where the server does not know the link, it is another one than before.
          this.end(response.status === 404 || response.status === 503 ? restarting : 1008, refusal.error.message);
        }
      } catch (error) {
        reason = String(error);
      }
      if (!this.id || ++failed === tries) this.end(broken, reason);
      else await new Promise(resolve => setTimeout(resolve, times.again * failed));
    }
    return null;
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.#url), { method: "POST", headers: { "Content-Type": "application/json" }, ...init });
  }
}

class Stream extends Requests {
  protected async run(): Promise<void> {
    // Without a body: some proxies cut off an answer that begins before they have passed all of one on.
    const response = await this.post("stream", () => null, 2 ** 31 - 1);
    if (!response) return;
    const alive = setInterval(() => this.send(`{"ping":true}`), times.alive);
    this.ended.signal.addEventListener("abort", () => clearInterval(alive));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream has ended");
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line.startsWith("data: ")) this.take(JSON.parse(line.slice(6)));
        else if (line) this.take({}); // a comment
      }
    }
  }
}

class Polls extends Requests {
  protected async run(): Promise<void> {
    let wait = times.wait;
    for (let have = 0; ; ) {
      const response = await this.post(
        "poll",
        failed => {
          if (failed) wait = Math.max(5_000, wait / 2); // something cuts off what waits for long
          return this.id ? JSON.stringify({ link: this.id, have, wait: Math.round(wait / 1000) }) : "{}";
        },
        times.poll,
      );
      if (!response) return;
      const delivery = (await response.json()) as Delivery;
      if (delivery.number) have = delivery.number;
      this.take(delivery);
    }
  }
}
