import type { Connection } from "./direct";
import { dial } from "./transports";
import type { ToPage, ToWorker } from "./shared";
import type { Closed } from "./transport";
import type { Answer, Commit, Delta, Frame, Hello, Sent } from "../wire/frames";

/** What there is of a worker. */
export interface Scope {
  readonly name: string;
  onconnect: ((event: MessageEvent) => void) | null;
}

/** Has the pages that start a worker share a connection. Its name is the route. */
export function host(scope: Scope): void {
  const house = new House(scope.name);
  scope.onconnect = ({ ports: [port] }) => house.admit(port!);
}

const most = 100; // open cursors, beyond which another page has a connection of its own

/** A page, as the worker knows it. */
interface Page {
  readonly port: MessagePort;
  /** Whether it is known to be of the connection's user. */
  known: boolean;
}

/** A request of a page: the connection knows it by another id. */
interface Asked {
  readonly page: Page;
  readonly id: number;
  readonly opens: boolean;
}

/** A House is the pages that share a connection. Each gets what it has asked for, as from a server. */
class House {
  readonly #route: string;
  readonly #pages = new Set<Page>();
  readonly #asked = new Map<number, Asked>();
  readonly #open = new Map<number, Set<Page>>(); // who holds a cursor, by its number
  #line: Connection | null = null;
  #hello: Hello | null = null; // with the seq of the last commit
  #lastID = 0;

  constructor(route: string) {
    this.#route = route;
  }

  admit(port: MessagePort): void {
    const page: Page = { port, known: false };
    port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
      if ("join" in data) this.#join(page, data.join);
      else if ("send" in data) this.#send(page, data.send);
      else if ("restart" in data) this.#line?.restart();
      else if ("leave" in data) this.#leave(page);
      else {
        this.#line?.check(data.check);
        tell(page, {});
      }
    };
  }

  #join(page: Page, lock: string): void {
    if (this.#open.size > most) return tell(page, { full: true });
    tell(page, {});
    this.#pages.add(page);
    void navigator.locks.request(lock, () => this.#leave(page)); // once the page is gone
    if (this.#line) return void this.#meet(page);
    page.known = true;
    this.#line = dial(this.#route, {
      received: frames => this.#received(frames),
      lost: (closed, final) => this.#lost(closed, final),
    });
  }

  /** Gets to know a page. Where its cookie is another user's than the connection's, all begin anew. */
  async #meet(page: Page): Promise<void> {
    if (!this.#hello) return; // it is met when that has come
    const [href] = JSON.parse(this.#route) as [string];
    const answer = await fetch(new URL("session", href), { cache: "no-store" }).then(response => response.json(), () => null);
    if (!this.#hello) return;
    if (!answer) {
      this.#leave(page);
      tell(page, { full: true });
    } else if (answer.user !== (this.#hello.user ?? "")) this.#line!.restart();
    else {
      page.known = true;
      this.#tell(page, [this.#hello]);
    }
  }

  #leave(page: Page): void {
    if (!this.#pages.delete(page)) return;
    for (const pages of this.#open.values()) pages.delete(page);
    if (this.#pages.size > 0) return this.#closeUnheld();
    this.#line?.close();
  }

  #send(page: Page, frame: Sent): void {
    if (!this.#hello) return; // it will hear that the connection was lost
    if (!("id" in frame)) return this.#line?.send(frame);
    if ("close" in frame) {
      this.#open.get(frame.close)?.delete(page);
      this.#tell(page, [{ id: frame.id, status: 200 }]);
      return this.#closeUnheld();
    }
    const id = ++this.#lastID;
    this.#asked.set(id, { page, id: frame.id, opens: "open" in frame || "live" in frame });
    this.#line!.send({ ...frame, id });
  }

  #received(frames: Frame[]): void {
    const shares = new Map<Page, Frame[]>();
    const give = (page: Page, frame: Frame) => {
      if (page.known) shares.set(page, [...(shares.get(page) ?? []), frame]);
    };
    for (const frame of frames) {
      if ("id" in frame) this.#answer(frame, give);
      else if ("cursors" in frame && "seq" in frame && !("hello" in frame)) this.#commit(frame, give);
      else {
        if ("hello" in frame) this.#greet(frame);
        for (const page of this.#pages) give(page, frame);
      }
    }
    for (const [page, frames] of shares) this.#tell(page, frames);
    this.#closeUnheld();
  }

  #greet(hello: Hello): void {
    this.#asked.clear();
    this.#open.clear();
    this.#hello = hello;
    for (const page of this.#pages) if (!page.known) void this.#meet(page);
  }

  #answer(answer: Answer, give: (page: Page, frame: Frame) => void): void {
    const asked = this.#asked.get(answer.id);
    if (!asked) return;
    this.#asked.delete(answer.id);
    if (answer.cursor) this.#hold(answer.cursor, [asked.page]);
    give(asked.page, { ...answer, id: asked.id });
  }

  #commit(commit: Commit, give: (page: Page, frame: Frame) => void): void {
    this.#hello!.seq = commit.seq;
    // First who holds the numbers now, as a delta may give one to another cursor.
    const touched = Object.entries(commit.cursors!).map(([key, delta]) => ({ key, delta, pages: [...(this.#open.get(Number(key)) ?? [])] }));
    const parts = new Map<Page, Record<string, Delta>>();
    for (const { key, delta, pages } of touched) {
      if (delta.to || delta.closed) this.#open.delete(Number(key));
      for (const page of pages) parts.set(page, { ...parts.get(page), [key]: delta });
    }
    for (const { delta, pages } of touched) if (delta.to && !delta.closed) this.#hold(delta.to, pages);
    let { ack = false } = commit; // one of them says so for all
    for (const [page, cursors] of parts) {
      give(page, { ...commit, ack, cursors });
      ack = false;
    }
  }

  #hold(cursor: number, pages: Page[]): void {
    const held = this.#open.get(cursor) ?? [];
    this.#open.set(cursor, new Set([...held, ...pages.filter(page => this.#pages.has(page))]));
  }

  /** Closes what no page holds, when the server cannot give it to one any more. */
  #closeUnheld(): void {
    if ([...this.#asked.values()].some(({ opens }) => opens)) return;
    for (const [cursor, pages] of this.#open) {
      if (pages.size > 0) continue;
      this.#open.delete(cursor);
      this.#line?.send({ id: ++this.#lastID, close: cursor });
    }
  }

  #lost(closed: Closed, final: boolean): void {
    this.#hello = null;
    this.#asked.clear();
    this.#open.clear();
    if (final) this.#line = null;
    for (const page of this.#pages) tell(page, { lost: closed, final });
    if (final) this.#pages.clear();
  }

  #tell(page: Page, frames: Frame[]): void {
    tell(page, { frames, transport: this.#line!.transport });
  }
}

function tell(page: Page, word: ToPage): void {
  page.port.postMessage(word);
}
