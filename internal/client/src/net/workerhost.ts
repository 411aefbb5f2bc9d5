import type { DirectConnection } from "./direct";
import { openConnection } from "./transports";
import type { ToPage, ToWorker } from "./shared";
import type { Closed } from "./transport";
import type { Answer, ClientFrame, Commit, Delta, Frame, Hello } from "../wire/frames";

/** The part of SharedWorkerGlobalScope that is used here. */
export interface WorkerScope {
  readonly name: string;
  onconnect: ((event: MessageEvent) => void) | null;
}

/** Serves the pages that start the worker. The name of the worker is the endpoint. */
export function runWorker(scope: WorkerScope): void {
  const host = new WorkerHost(scope.name);
  scope.onconnect = ({ ports: [port] }) => host.accept(port!);
}

const maxCursors = 100; // open cursors; with more, a new page has to use its own connection

/** A page that the worker serves. */
interface Page {
  readonly port: MessagePort;
  /** Whether the page is known to have the connection's user. */
  identified: boolean;
}

/** A request of a page. It has a different id on the connection. */
interface PageRequest {
  readonly page: Page;
  readonly id: number;
  readonly opens: boolean;
}

/** A WorkerHost shares one connection among pages. To each page it behaves like a server. */
class WorkerHost {
  readonly #endpoint: string;
  readonly #pages = new Set<Page>();
  readonly #requests = new Map<number, PageRequest>();
  readonly #pagesByCursor = new Map<number, Set<Page>>(); // by cursor number
  #connection: DirectConnection | null = null;
  #hello: Hello | null = null; // with the seq of the last commit
  #lastID = 0;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  accept(port: MessagePort): void {
    const page: Page = { port, identified: false };
    port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
      if ("join" in data) this.#join(page, data.join);
      else if ("send" in data) this.#send(page, data.send);
      else if ("restart" in data) this.#connection?.restart();
      else if ("leave" in data) this.#leave(page);
      else {
        this.#connection?.check(data.check);
        post(page, {});
      }
    };
  }

  #join(page: Page, lock: string): void {
    if (this.#pagesByCursor.size > maxCursors) return post(page, { full: true });
    post(page, {});
    this.#pages.add(page);
    void navigator.locks.request(lock, () => this.#leave(page)); // granted once the page is gone
    if (this.#connection) return void this.#identify(page);
    page.identified = true;
    this.#connection = openConnection(this.#endpoint, {
      received: frames => this.#received(frames),
      lost: (closed, final) => this.#lost(closed, final),
    });
  }

  /** Checks the user of a page. If its cookie belongs to another user than the connection, the connection restarts. */
  async #identify(page: Page): Promise<void> {
    if (!this.#hello) return; // the next hello identifies the page
    const [href] = JSON.parse(this.#endpoint) as [string];
    const answer = await fetch(new URL("session", href), { cache: "no-store" }).then(response => response.json(), () => null);
    if (!this.#hello) return;
    if (!answer) {
      this.#leave(page);
      post(page, { full: true });
    } else if (answer.user !== (this.#hello.user ?? "")) this.#connection!.restart();
    else {
      page.identified = true;
      this.#sendFrames(page, [this.#hello]);
    }
  }

  #leave(page: Page): void {
    if (!this.#pages.delete(page)) return;
    for (const pages of this.#pagesByCursor.values()) pages.delete(page);
    if (this.#pages.size > 0) return this.#closeUnused();
    this.#connection?.close();
  }

  #send(page: Page, frame: ClientFrame): void {
    if (!this.#hello) return; // the page learns that the connection was lost
    if (!("id" in frame)) return this.#connection?.send(frame);
    if ("close" in frame) {
      this.#pagesByCursor.get(frame.close)?.delete(page);
      this.#sendFrames(page, [{ id: frame.id, status: 200 }]);
      return this.#closeUnused();
    }
    const id = ++this.#lastID;
    this.#requests.set(id, { page, id: frame.id, opens: "open" in frame || "live" in frame });
    this.#connection!.send({ ...frame, id });
  }

  #received(frames: Frame[]): void {
    const batches = new Map<Page, Frame[]>();
    const deliver = (page: Page, frame: Frame) => {
      if (page.identified) batches.set(page, [...(batches.get(page) ?? []), frame]);
    };
    for (const frame of frames) {
      if ("id" in frame) this.#answer(frame, deliver);
      else if ("cursors" in frame && "seq" in frame && !("hello" in frame)) this.#commit(frame, deliver);
      else {
        if ("hello" in frame) this.#greet(frame);
        for (const page of this.#pages) deliver(page, frame);
      }
    }
    for (const [page, frames] of batches) this.#sendFrames(page, frames);
    this.#closeUnused();
  }

  #greet(hello: Hello): void {
    this.#requests.clear();
    this.#pagesByCursor.clear();
    this.#hello = hello;
    for (const page of this.#pages) if (!page.identified) void this.#identify(page);
  }

  #answer(answer: Answer, deliver: (page: Page, frame: Frame) => void): void {
    const request = this.#requests.get(answer.id);
    if (!request) return;
    this.#requests.delete(answer.id);
    if (answer.cursor) this.#addPages(answer.cursor, [request.page]);
    deliver(request.page, { ...answer, id: request.id });
  }

  #commit(commit: Commit, deliver: (page: Page, frame: Frame) => void): void {
    this.#hello!.seq = commit.seq;
    // Resolve the current numbers first: a delta may give a number to another cursor.
    const touched = Object.entries(commit.cursors!).map(([key, delta]) => ({ key, delta, pages: [...(this.#pagesByCursor.get(Number(key)) ?? [])] }));
    const deltas = new Map<Page, Record<string, Delta>>();
    for (const { key, delta, pages } of touched) {
      if (delta.to || delta.closed) this.#pagesByCursor.delete(Number(key));
      for (const page of pages) deltas.set(page, { ...deltas.get(page), [key]: delta });
    }
    for (const { delta, pages } of touched) if (delta.to && !delta.closed) this.#addPages(delta.to, pages);
    let { ack = false } = commit; // one page acknowledges for all
    for (const [page, cursors] of deltas) {
      deliver(page, { ...commit, ack, cursors });
      ack = false;
    }
  }

  #addPages(cursor: number, pages: Page[]): void {
    const before = this.#pagesByCursor.get(cursor) ?? [];
    this.#pagesByCursor.set(cursor, new Set([...before, ...pages.filter(page => this.#pages.has(page))]));
  }

  /** Closes the cursors that no page uses. It waits for open requests: their answers may name such a cursor. */
  #closeUnused(): void {
    if ([...this.#requests.values()].some(({ opens }) => opens)) return;
    for (const [cursor, pages] of this.#pagesByCursor) {
      if (pages.size > 0) continue;
      this.#pagesByCursor.delete(cursor);
      this.#connection?.send({ id: ++this.#lastID, close: cursor });
    }
  }

  #lost(closed: Closed, final: boolean): void {
    this.#hello = null;
    this.#requests.clear();
    this.#pagesByCursor.clear();
    if (final) this.#connection = null;
    for (const page of this.#pages) post(page, { lost: closed, final });
    if (final) this.#pages.clear();
  }

  #sendFrames(page: Page, frames: Frame[]): void {
    post(page, { frames, transport: this.#connection!.transport });
  }
}

function post(page: Page, message: ToPage): void {
  page.port.postMessage(message);
}
