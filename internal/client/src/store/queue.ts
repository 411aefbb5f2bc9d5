import type { Database } from "./idb";
import { Observable } from "./observable";
import { equal, type Effect } from "./overlay";
import type { Result } from "../wire/result";
import { refusalOf } from "../wire/carry";
import { ulid } from "../wire/ulid";
import { Write, type Note, type Refused, type StoredWrite } from "./write";
import type { Answer, Call, CallBody } from "../wire/frames";

/** How long, in ms, a call may be sent again under its key. The server remembers keys for longer. */
export const keyLifetime = 12 * 3600_000;

const maxTries = 10; // sends of a write that the server asks to retry; then its answer is final
const saveTimeout = 3000; // ms to wait for the database before a write is sent anyway
const recheckDelay = 1500; // ms between two checks for pages that have ended

/** The functions of the store that a queue uses. */
interface Hooks {
  send(request: Call, answered: (answer: Answer) => void): void;
  update(run: () => void): void;
  finish(answer: Answer): Promise<Result<any>>;
}

/**
 * A Queue holds the unanswered writes in order and sends them one by one. A write
 * is sent only as the user who made it. If there is a database, a write is stored
 * before it is sent, and another page takes it over if its own page ends: each write
 * belongs to a session, and the page that holds the session's lock sends it.
 */
export class Queue {
  /** The writes that were refused while no caller waited, until they are dismissed. */
  readonly refused = new Observable<readonly Refused[]>([]);

  /** Resolves when the stored writes have been loaded. */
  readonly loaded: Promise<void>;

  readonly #name: string;
  readonly #hooks: Hooks;
  readonly #database: Promise<Database | null>;
  readonly #end = new AbortController();

  #persistent = false; // the database works
  #user: string | null = null;
  #known: Promise<void> | undefined; // resolves when the device knows the user, without whom the next page would not show the writes
  #online = false;
  #busy = false; // a write is being sent
  #attempt = 0;
  #writes: Write[] = [];
  #refused: readonly StoredWrite[] = []; // of all users
  #notified = this.refused.value;
  #lastSave: Promise<unknown> | undefined; // the last change of the database
  readonly #unsaved = new Set<StoredWrite>(); // writes that the database does not have yet

  readonly #session = ulid();
  #locked: Promise<unknown> | undefined; // resolves when this page has its session's lock
  readonly #inherited = new Set<string>(); // sessions of pages that have ended
  #loadedOnce = false; // the first load has finished
  #channel: BroadcastChannel | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, database: Promise<Database | null>, hooks: Hooks) {
    this.#name = name;
    this.#database = database;
    this.#hooks = hooks;
    this.loaded = this.#load();
    globalThis.addEventListener?.("pagehide", () => this.#rescue(), { signal: this.#end.signal });
  }

  /** Whether the writes survive the page. They do not before the user is known. */
  get durable(): boolean {
    return this.#persistent && this.#user !== null;
  }

  /** The number of writes of the user. */
  get pending(): number {
    return this.#own().length;
  }

  /** The user's writes that no caller waits for. */
  get unattended(): StoredWrite[] {
    return this.#own().flatMap(({ awaited, stored }) => (awaited ? [] : stored));
  }

  /** Returns the effects of the user's writes, in order. */
  effects(): Effect[] {
    return this.#own().flatMap(({ stored }) => stored.effects);
  }

  /** Adds a write. An input that JSON cannot carry is refused as the server would refuse it. */
  add<Out>(body: CallBody, effects: readonly Effect[], note?: Note): Write<Out> {
    const error = "in" in body ? refusalOf(body.in) : null;
    const [sent, shown] = error ? [body, effects.map(({ op, model, id }) => ({ op, model, id }))] : jsonCopy([body, effects] as const);
    const stored: StoredWrite = { ...sent, key: ulid(), effects: shown, session: this.#session, user: this.#user, ...(note && { note }) };
    const write = new Write<Out>(stored, this.#hooks.finish);
    if (error) {
      queueMicrotask(() => this.#hooks.update(() => this.#finish(write, { id: 0, status: 422, error })));
      return write;
    }
    this.#hooks.update(() => {
      this.#writes.push(write);
      this.#sendNext();
      write.saved ??= this.#save(stored);
    });
    return write;
  }

  /** Sets the user: the one of the last connection, or the one that the server named, until the device knows the user too. */
  setUser(user: string, known?: Promise<void>): void {
    this.#user = user;
    this.#online = Boolean(known);
    this.#known = known;
    for (const write of this.#writes) {
      const { stored } = write;
      if (stored.user === null) {
        stored.user = user;
        write.saved = this.#save(stored);
      } else if (stored.user !== user) {
        write.reject("user", "The user has changed. The write waits for its own user.");
      }
    }
    this.#listRefused();
    this.#sendNext();
    void this.#refresh();
  }

  disconnected(): void {
    this.#online = false;
    this.#abandonAttempt();
  }

  /** Stops sending. Other pages take over the stored writes. */
  close(why: string): void {
    this.disconnected();
    this.#announce();
    this.#end.abort();
    clearTimeout(this.#timer);
    this.#channel?.close();
    for (const write of this.#writes) write.reject("closed", why);
  }

  /** Notifies subscribers of refused if it has changed. */
  notify(): void {
    if (this.#notified === this.refused.value) return;
    this.#notified = this.refused.value;
    this.refused.notify();
  }

  #own(): Write[] {
    return this.#writes.filter(({ stored }) => stored.user === this.#user);
  }

  #sendNext(): void {
    const [head] = this.#own();
    if (!this.#online || this.#busy || !head) return;
    const { stored } = head;
    if (stored.first && Date.now() - stored.first > keyLifetime) {
      const message = "No answer arrived in time. The write may have taken effect.";
      return this.#settle(head, { id: 0, status: 0, error: { code: "uncertain", message } });
    }
    if (!stored.first) {
      stored.first = Date.now();
      head.saved = this.#save(stored);
    }
    this.#busy = true;
    const attempt = ++this.#attempt;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise(done => (timer = setTimeout(done, saveTimeout)));
    void Promise.race([head.saved, late]).then(() => {
      clearTimeout(timer);
      if (attempt === this.#attempt) this.#hooks.send(callOf(stored), answer => this.#answered(head, answer));
    });
  }

  #abandonAttempt(): void {
    this.#busy = false;
    this.#attempt++;
  }

  #answered(write: Write, answer: Answer): void {
    const again = answer.status === 503 || answer.status === 429;
    if (!again || ++write.tries >= maxTries) return this.#settle(write, answer);
    const attempt = this.#attempt;
    setTimeout(() => {
      if (attempt !== this.#attempt) return;
      this.#abandonAttempt();
      this.#sendNext();
    }, Math.max((answer.error?.retryAfter ?? 0) * 1000, Math.min(30_000, 250 * 2 ** write.tries)));
  }

  #settle(write: Write, answer: Answer): void {
    this.#abandonAttempt();
    this.#writes = this.#writes.filter(other => other !== write);
    this.#finish(write, answer);
    this.#sendNext();
  }

  /** Gives a write its answer, or lists it as refused if no caller waits for it. */
  #finish(write: Write, answer: Answer): void {
    if (answer.error && !write.awaited) {
      write.stored.error = answer.error;
      this.#refused = [...this.#refused, write.stored];
      void this.#save(write.stored);
      this.#listRefused();
      write.dismiss = () => this.#dismiss(write.key);
    } else {
      void this.#delete(write.key);
    }
    write.settle(answer);
  }

  /** Updates refused to the user's refused writes. */
  #listRefused(): void {
    const own = this.#refused.filter(({ user }) => user === this.#user);
    const listed = this.refused.value;
    if (equal(own.map(keyOf), listed.map(keyOf))) return;
    this.refused.value = own.map(stored => listed.find(({ key }) => key === stored.key) ?? this.#refusedOf(stored));
  }

  #refusedOf(stored: StoredWrite): Refused {
    const { key, ...body } = callOf(stored);
    const dismiss = () => this.#dismiss(key);
    const retry = () => {
      dismiss();
      return this.add(body, stored.effects, stored.note);
    };
    return { ...stored, error: stored.error!, dismiss, retry };
  }

  #dismiss(key: string): void {
    this.#refused = this.#refused.filter(stored => stored.key !== key);
    this.#hooks.update(() => this.#listRefused());
    void this.#delete(key).then(() => this.#announce());
  }

  /* The database, and the other pages that use it. */

  async #load(): Promise<void> {
    if (!(await this.#database) || this.#end.signal.aborted) return;
    await this.#adopt();
    void this.#hold(); // before the first write, which the page may end with
    this.#hooks.update(() => (this.#persistent = true));
    if (globalThis.navigator?.locks) {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = () => void this.#refresh();
    }
    await this.#refresh();
    this.#loadedOnce = true;
    this.#announce();
  }

  /** Loads the refused writes of all pages, and the unanswered writes of pages that have ended. */
  async #refresh(): Promise<void> {
    const others = new Set((await this.#readAll()).flatMap(({ session, error }) => (error || session === this.#session ? [] : session)));
    for (const session of others) {
      if (!this.#inherited.has(session) && (await this.#lock(session, true))) this.#inherited.add(session);
    }
    const all = await this.#readAll();
    if (!this.#persistent || this.#end.signal.aborted) return;
    clearTimeout(this.#timer);
    // Poll instead of waiting for the lock: after a crash of a browser the queue for it may be stuck.
    if ([...others].some(session => !this.#inherited.has(session))) this.#timer = setTimeout(() => void this.#refresh(), recheckDelay);
    this.#hooks.update(() => {
      const here = new Set(this.#writes.map(keyOf));
      const left = all.filter(({ key, session, error }) => !error && this.#inherited.has(session) && !here.has(key));
      this.#writes.push(...left.map(stored => new Write(stored, this.#hooks.finish)));
      this.#writes.sort((a, b) => (a.key < b.key ? -1 : 1));
      this.#refused = all.filter(({ error }) => error);
      this.#listRefused();
      this.#sendNext();
    });
  }

  /** Acquires the lock of this page's session. */
  #hold(): Promise<unknown> {
    return (this.#locked ??= this.#lock(this.#session, false));
  }

  /** Acquires the lock of a session, until the queue closes. Resolves with false if another page holds it. */
  #lock(session: string, ifAvailable: boolean): Promise<boolean> {
    const { locks } = navigator;
    if (!locks) return Promise.resolve(!this.#loadedOnce);
    return new Promise(locked => {
      const held = (lock: Lock | null) => {
        locked(lock !== null);
        return lock && new Promise(done => this.#end.signal.addEventListener("abort", done));
      };
      locks.request(`${this.#name} ${session}`, { ifAvailable }, held).catch(() => locked(false));
    });
  }

  /** Reads all stored writes, after this page's own changes have been stored. */
  async #readAll(): Promise<StoredWrite[]> {
    for (;;) {
      const last = this.#lastSave;
      await last;
      const all: StoredWrite[] = (await this.#run(table => table.getAll())) ?? [];
      if (last === this.#lastSave) return all;
    }
  }

  /** Keeps the writes that the database has not stored. A page that ends has no time for more than this. */
  #rescue(): void {
    try {
      if (this.#unsaved.size > 0) localStorage[`${this.#name} ${this.#session}`] = JSON.stringify([...this.#unsaved]);
    } catch {} // it is full or blocked
  }

  /** Stores the writes that ended pages have rescued. */
  async #adopt(): Promise<void> {
    try {
      for (const key of Object.keys(localStorage).filter(key => key.startsWith(`${this.#name} `))) {
        for (const stored of JSON.parse(localStorage[key]) as StoredWrite[]) {
          this.#user ??= stored.user; // the last one, if the device does not know yet
          await this.#run(table => table.put(stored));
        }
        delete localStorage[key];
      }
    } catch {} // it is blocked
  }

  #save(stored: StoredWrite): Promise<unknown> {
    return (this.#lastSave = this.#put(stored).finally(() => this.#unsaved.delete(stored)));
  }

  async #put(stored: StoredWrite): Promise<void> {
    if (stored.user !== null) this.#unsaved.add(stored);
    if (stored.user === null || !(await this.#database)) return;
    await this.#hold();
    await this.#known;
    await this.#run(table => {
      const request = table.put(stored);
      table.transaction.commit(); // at once: the page may end before the request is answered
      return request;
    });
    this.#announce();
  }

  #delete(key: string): Promise<unknown> {
    return (this.#lastSave = this.#run(table => table.delete(key)));
  }

  /** Runs a request on the database. After a failure, writes no longer survive the page. */
  async #run<T>(run: (table: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    return (await this.#database)?.("writes", run).catch(() => void this.#hooks.update(() => (this.#persistent = false)));
  }

  #announce(): void {
    if (!this.#end.signal.aborted) this.#channel?.postMessage(null);
  }
}

const keyOf = ({ key }: { key: string }) => key;

/** Returns the call of a stored write. */
function callOf({ effects, session, user, first, error, note, ...call }: StoredWrite): Call {
  return call;
}

/** Returns a copy of a value by way of JSON. */
function jsonCopy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
