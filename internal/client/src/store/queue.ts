import type { Disk } from "./idb";
import { Observable } from "./observable";
import { equal, type Effect } from "./overlay";
import type { Result } from "../wire/result";
import { ulid } from "../wire/ulid";
import { Write, type Kept, type Note, type Refused } from "./write";
import type { Answer, Call, Called } from "../wire/frames";

export const remembered = 12 * 3600_000; // ms; a server knows for longer that a call took effect

const patience = 10; // times that a write is told to come again, until that is taken for an answer
const slow = 3000; // ms that a disk may take before a write is sent all the same
const soon = 1500; // ms until a page looks again whether another has ended

/** What a queue asks of its store. */
interface Hooks {
  ask(request: Call, answered: (answer: Answer) => void): void;
  turn(run: () => void): void;
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
  readonly begun: Promise<void>;

  readonly #name: string;
  readonly #hooks: Hooks;
  readonly #disk: Promise<Disk | null>;
  readonly #end = new AbortController();

  #keeps = false; // the disk works
  #user: string | null = null;
  #online = false;
  #busy = false; // a write is on its way
  #attempt = 0;
  #writes: Write[] = [];
  #refused: readonly Kept[] = []; // of all users
  #told = this.refused.value;
  #saving: Promise<unknown> | undefined; // the last change of the disk

  readonly #session = ulid();
  #locked: Promise<unknown> | undefined; // this page has the lock of its session
  readonly #inherited = new Set<string>(); // sessions of pages that have ended
  #opened = false; // those that had ended before this page are among them
  #channel: BroadcastChannel | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, disk: Promise<Disk | null>, hooks: Hooks) {
    this.#name = name;
    this.#disk = disk;
    this.#hooks = hooks;
    this.begun = this.#open();
  }

  /** Whether what is in it survives the page. Nobody could say whose it is before the user is known. */
  get durable(): boolean {
    return this.#keeps && this.#user !== null;
  }

  /** How many writes of the user there are. */
  get pending(): number {
    return this.#own().length;
  }

  /** Those that nobody waits for. */
  get left(): Kept[] {
    return this.#own().flatMap(({ awaited, kept }) => (awaited ? [] : kept));
  }

  /** What they do, in order. */
  effects(): Effect[] {
    return this.#own().flatMap(({ kept }) => kept.effects);
  }

  add<Out>(body: Called, effects: readonly Effect[], note?: Note): Write<Out> {
    const kept: Kept = { ...body, key: ulid(), effects, session: this.#session, user: this.#user, ...(note && { note }) };
    const write = new Write<Out>(kept, this.#hooks.finish);
    this.#hooks.turn(() => {
      this.#writes.push(write);
      this.#pump();
      write.saved ??= this.#save(kept);
    });
    return write;
  }

  /** A user is expected, or has been named by the server. */
  greet(user: string, online = true): void {
    this.#user = user;
    this.#online = online;
    for (const write of this.#writes) {
      const { kept } = write;
      if (kept.user === null) {
        kept.user = user;
        write.saved = this.#save(kept);
      } else if (kept.user !== user) {
        write.abandon("user", "Another user has come. It is kept for its own.");
      }
    }
    this.#list();
    this.#pump();
    void this.#refresh();
  }

  lost(): void {
    this.#online = false;
    this.#stop();
  }

  /** Sends no more, and leaves what there is to other pages. */
  close(why: string): void {
    this.lost();
    this.#announce();
    this.#end.abort();
    clearTimeout(this.#timer);
    this.#channel?.close();
    for (const write of this.#writes) write.abandon("closed", why);
  }

  /** Tells of what has been refused, or dismissed, since it did so before. */
  tell(): void {
    if (this.#told === this.refused.value) return;
    this.#told = this.refused.value;
    this.refused.tell();
  }

  #own(): Write[] {
    return this.#writes.filter(({ kept }) => kept.user === this.#user);
  }

  #pump(): void {
    const [head] = this.#own();
    if (!this.#online || this.#busy || !head) return;
    const { kept } = head;
    if (kept.first && Date.now() - kept.first > remembered) {
      const message = "No answer came in time. It may have taken effect.";
      return this.#done(head, { id: 0, status: 0, error: { code: "uncertain", message } });
    }
    if (!kept.first) {
      kept.first = Date.now();
      head.saved = this.#save(kept);
    }
    this.#busy = true;
    const attempt = ++this.#attempt;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise(done => (timer = setTimeout(done, slow)));
    void Promise.race([head.saved, late]).then(() => {
      clearTimeout(timer);
      if (attempt === this.#attempt) this.#hooks.ask(callOf(kept), answer => this.#answered(head, answer));
    });
  }

  #stop(): void {
    this.#busy = false;
    this.#attempt++;
  }

  #answered(write: Write, answer: Answer): void {
    const again = answer.status === 503 || answer.status === 429;
    if (!again || ++write.tries >= patience) return this.#done(write, answer);
    const attempt = this.#attempt;
    setTimeout(() => {
      if (attempt !== this.#attempt) return;
      this.#stop();
      this.#pump();
    }, Math.min(30_000, 250 * 2 ** write.tries));
  }

  #done(write: Write, answer: Answer): void {
    this.#stop();
    this.#writes = this.#writes.filter(other => other !== write);
    if (answer.error && !write.awaited) {
      write.kept.error = answer.error;
      this.#refused = [...this.#refused, write.kept];
      void this.#save(write.kept);
      this.#list();
      write.dismiss = () => this.#dismiss(write.key);
    } else {
      void this.#forget(write.key);
    }
    write.settle(answer);
    this.#pump();
  }

  /** Lists what of the user was refused. */
  #list(): void {
    const own = this.#refused.filter(({ user }) => user === this.#user);
    const listed = this.refused.value;
    if (equal(own.map(keyOf), listed.map(keyOf))) return;
    this.refused.value = own.map(kept => listed.find(({ key }) => key === kept.key) ?? this.#refusedOf(kept));
  }

  #refusedOf(kept: Kept): Refused {
    const { key, ...body } = callOf(kept);
    const dismiss = () => this.#dismiss(key);
    const retry = () => {
      dismiss();
      return this.add(body, kept.effects, kept.note);
    };
    return { ...kept, error: kept.error!, dismiss, retry };
  }

  #dismiss(key: string): void {
    this.#refused = this.#refused.filter(kept => kept.key !== key);
    this.#hooks.turn(() => this.#list());
    void this.#forget(key).then(() => this.#announce());
  }

  /* The disk, and the other pages that use it. */

  async #open(): Promise<void> {
    if (!(await this.#disk) || this.#end.signal.aborted) return;
    this.#hooks.turn(() => (this.#keeps = true));
    if (globalThis.navigator?.locks) {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = () => void this.#refresh();
    }
    await this.#refresh();
    this.#opened = true;
    this.#announce();
  }

  /** Looks for what others have put on the disk: writes that were refused, or left by a page that has ended. */
  async #refresh(): Promise<void> {
    const others = new Set((await this.#all()).flatMap(({ session, error }) => (error || session === this.#session ? [] : session)));
    for (const session of others) {
      if (!this.#inherited.has(session) && (await this.#lock(session, true))) this.#inherited.add(session);
    }
    const all = await this.#all();
    if (!this.#keeps || this.#end.signal.aborted) return;
    clearTimeout(this.#timer);
    // To wait in line for the lock is no good: where a browser crashes, the line may stop.
    if ([...others].some(session => !this.#inherited.has(session))) this.#timer = setTimeout(() => void this.#refresh(), soon);
    this.#hooks.turn(() => {
      const here = new Set(this.#writes.map(keyOf));
      const left = all.filter(({ key, session, error }) => !error && this.#inherited.has(session) && !here.has(key));
      this.#writes.push(...left.map(kept => new Write(kept, this.#hooks.finish)));
      this.#writes.sort((a, b) => (a.key < b.key ? -1 : 1));
      this.#refused = all.filter(({ error }) => error);
      this.#list();
      this.#pump();
    });
  }

  /** Resolves when this page has the session for itself, which it keeps until it ends; or with false if another has it. */
  #lock(session: string, ifAvailable: boolean): Promise<boolean> {
    const { locks } = navigator;
    if (!locks) return Promise.resolve(!this.#opened);
    return new Promise(locked => {
      const held = (lock: Lock | null) => {
        locked(lock !== null);
        return lock && new Promise(done => this.#end.signal.addEventListener("abort", done));
      };
      locks.request(`${this.#name} ${session}`, { ifAvailable }, held).catch(() => locked(false));
    });
  }

  /** All that is on the disk, with all that has been changed there from here. */
  async #all(): Promise<Kept[]> {
    for (;;) {
      const last = this.#saving;
      await last;
      const all: Kept[] = (await this.#do(table => table.getAll())) ?? [];
      if (last === this.#saving) return all;
    }
  }

  #save(kept: Kept): Promise<unknown> {
    return (this.#saving = this.#put(kept));
  }

  async #put(kept: Kept): Promise<void> {
    if (kept.user === null || !(await this.#disk)) return;
    await (this.#locked ??= this.#lock(this.#session, false));
    await this.#do(table => table.put(kept));
    this.#announce();
  }

  #forget(key: string): Promise<unknown> {
    return (this.#saving = this.#do(table => table.delete(key)));
  }

  /** Uses the disk. Once that has failed, writes do not survive. */
  async #do<T>(run: (table: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    return (await this.#disk)?.("writes", run).catch(() => void this.#hooks.turn(() => (this.#keeps = false)));
  }

  #announce(): void {
    if (!this.#end.signal.aborted) this.#channel?.postMessage(null);
  }
}

const keyOf = ({ key }: { key: string }) => key;

/** What is sent of a write. */
function callOf({ effects, session, user, first, error, note, ...call }: Kept): Call {
  return call;
}
