import type { Database } from "./idb";
import { Observable } from "./observable";
import { equal, type Effect } from "./overlay";
import type { Result } from "../wire/result";
import { ulid } from "../wire/ulid";
import { Write, type Note, type Refused, type StoredWrite } from "./write";
import type { Answer, Call, CallBody } from "../wire/frames";

export const keyLifetime = 12 * 3600_000; // ms; a server knows for longer that a call took effect

const maxTries = 10; // times that a write is told to come again, until that is taken for an answer
const saveTimeout = 3000; // ms that a disk may take before a write is sent all the same
const recheckDelay = 1500; // ms until a page looks again whether another has ended

/** What a queue asks of its store. */
interface Hooks {
  send(request: Call, answered: (answer: Answer) => void): void;
  update(run: () => void): void;
  finish(answer: Answer): Promise<Result<any>>;
}

/**
 * A Queue keeps the writes that have not been answered, in the order in which they
 * were made, and sends them one by one. They belong to their user, and are sent as
 * no other. Where there is a disk they are on it before they are sent, and are
 * taken over by another page when theirs has ended: each has a session, and a
 * session a lock, which is held by the one page that sends its writes.
 */
export class Queue {
  /** The writes that were refused while nobody waited for them, until they are dismissed. */
  readonly refused = new Observable<readonly Refused[]>([]);

  /** What the disk has is among the writes. */
  readonly loaded: Promise<void>;

  readonly #name: string;
  readonly #hooks: Hooks;
  readonly #database: Promise<Database | null>;
  readonly #end = new AbortController();

  #persistent = false; // the disk works
  #user: string | null = null;
  #online = false;
  #busy = false; // a write is on its way
  #attempt = 0;
  #writes: Write[] = [];
  #refused: readonly StoredWrite[] = []; // of all users
  #notified = this.refused.value;
  #lastSave: Promise<unknown> | undefined; // the last change of the disk

  readonly #session = ulid();
  #locked: Promise<unknown> | undefined; // this page has the lock of its session
  readonly #inherited = new Set<string>(); // sessions of pages that have ended
  #loadedOnce = false; // those that had ended before this page are among them
  #channel: BroadcastChannel | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, database: Promise<Database | null>, hooks: Hooks) {
    this.#name = name;
    this.#database = database;
    this.#hooks = hooks;
    this.loaded = this.#load();
  }

  /** Whether what is in it survives the page. Nobody could say whose it is before the user is known. */
  get durable(): boolean {
    return this.#persistent && this.#user !== null;
  }

  /** How many writes of the user there are. */
  get pending(): number {
    return this.#own().length;
  }

  /** Those that nobody waits for. */
  get unattended(): StoredWrite[] {
    return this.#own().flatMap(({ awaited, stored }) => (awaited ? [] : stored));
  }

  /** What they do, in order. */
  effects(): Effect[] {
    return this.#own().flatMap(({ stored }) => stored.effects);
  }

  add<Out>(body: CallBody, effects: readonly Effect[], note?: Note): Write<Out> {
    const stored: StoredWrite = { ...body, key: ulid(), effects, session: this.#session, user: this.#user, ...(note && { note }) };
    const write = new Write<Out>(stored, this.#hooks.finish);
    this.#hooks.update(() => {
      this.#writes.push(write);
      this.#sendNext();
      write.saved ??= this.#save(stored);
    });
    return write;
  }

  /** A user is expected, or has been named by the server. */
  setUser(user: string, online = true): void {
    this.#user = user;
    this.#online = online;
    for (const write of this.#writes) {
      const { stored } = write;
      if (stored.user === null) {
        stored.user = user;
        write.saved = this.#save(stored);
      } else if (stored.user !== user) {
        write.reject("user", "Another user has come. It is stored for its own.");
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

  /** Sends no more, and leaves what there is to other pages. */
  close(why: string): void {
    this.disconnected();
    this.#announce();
    this.#end.abort();
    clearTimeout(this.#timer);
    this.#channel?.close();
    for (const write of this.#writes) write.reject("closed", why);
  }

  /** Tells of what has been refused, or dismissed, since it did so before. */
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
      const message = "No answer came in time. It may have taken effect.";
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
    }, Math.min(30_000, 250 * 2 ** write.tries));
  }

  #settle(write: Write, answer: Answer): void {
    this.#abandonAttempt();
    this.#writes = this.#writes.filter(other => other !== write);
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
    this.#sendNext();
  }

  /** Lists what of the user was refused. */
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

  /* The disk, and the other pages that use it. */

  async #load(): Promise<void> {
    if (!(await this.#database) || this.#end.signal.aborted) return;
    this.#hooks.update(() => (this.#persistent = true));
    if (globalThis.navigator?.locks) {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = () => void this.#refresh();
    }
    await this.#refresh();
    this.#loadedOnce = true;
    this.#announce();
  }

  /** Looks for what others have put on the disk: writes that were refused, or left by a page that has ended. */
  async #refresh(): Promise<void> {
    const others = new Set((await this.#readAll()).flatMap(({ session, error }) => (error || session === this.#session ? [] : session)));
    for (const session of others) {
      if (!this.#inherited.has(session) && (await this.#lock(session, true))) this.#inherited.add(session);
    }
    const all = await this.#readAll();
    if (!this.#persistent || this.#end.signal.aborted) return;
    clearTimeout(this.#timer);
    // To wait in line for the lock is no good: where a browser crashes, the line may stop.
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

  /** Resolves when this page has the session for itself, which it keeps until it ends; or with false if another has it. */
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

  /** All that is on the disk, with all that has been changed there from here. */
  async #readAll(): Promise<StoredWrite[]> {
    for (;;) {
      const last = this.#lastSave;
      await last;
      const all: StoredWrite[] = (await this.#run(table => table.getAll())) ?? [];
      if (last === this.#lastSave) return all;
    }
  }

  #save(stored: StoredWrite): Promise<unknown> {
    return (this.#lastSave = this.#put(stored));
  }

  async #put(stored: StoredWrite): Promise<void> {
    if (stored.user === null || !(await this.#database)) return;
    await (this.#locked ??= this.#lock(this.#session, false));
    await this.#run(table => table.put(stored));
    this.#announce();
  }

  #delete(key: string): Promise<unknown> {
    return (this.#lastSave = this.#run(table => table.delete(key)));
  }

  /** Uses the disk. Once that has failed, writes do not survive. */
  async #run<T>(run: (table: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    return (await this.#database)?.("writes", run).catch(() => void this.#hooks.update(() => (this.#persistent = false)));
  }

  #announce(): void {
    if (!this.#end.signal.aborted) this.#channel?.postMessage(null);
  }
}

const keyOf = ({ key }: { key: string }) => key;

/** What is sent of a write. */
function callOf({ effects, session, user, first, error, note, ...call }: StoredWrite): Call {
  return call;
}
