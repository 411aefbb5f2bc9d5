import type { Disk } from "./disk";
import { Observable } from "./observable";
import type { Effect } from "./pending";
import type { Result } from "./result";
import { ulid } from "./ulid";
import { Write, type Kept, type Note, type Refused } from "./write";
import type { Answer, Call } from "./wire";

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

  /** Whether what is in it survives the page. */
  durable = false;

  readonly #name: string;
  readonly #hooks: Hooks;
  readonly #session = ulid();
  readonly #inherited = new Set<string>(); // sessions of pages that have ended
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #seen = new Set<string>(); // keys of writes that are, or were, here
  readonly #disk: Promise<Disk | null>;
  readonly #end = new AbortController();
  #channel: BroadcastChannel | undefined;
  #locked: Promise<unknown> | undefined;
  #writes: Write[] = [];
  #refused: readonly Kept[] = []; // of all users
  readonly #unsaved = new Set<Kept>(); // of those, which are not on the disk yet
  readonly #dismissed = new Set<string>();
  #user: string | null = null;
  #online = false;
  #busy = false;
  #attempt = 0;
  #told = this.refused.value;
  #opened = false; // what was there at the start has been taken over

  constructor(name: string, disk: Promise<Disk | null>, hooks: Hooks) {
    this.#name = name;
    this.#disk = disk;
    this.#hooks = hooks;
    void this.#open();
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

  add<Out>(body: { call: string } & ({ in: unknown } | { form: string }), effects: readonly Effect[], note?: Note): Write<Out> {
    const kept: Kept = { ...body, key: ulid(), effects, session: this.#session, user: this.#user, ...(note && { note }) };
    const write = new Write<Out>(kept, this.#hooks.finish);
    this.#hooks.turn(() => {
      this.#take(write);
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
        write.abandon("user", "Another user has come. It waits for its own.");
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

  #take(write: Write): void {
    this.#writes.push(write);
    this.#seen.add(write.key);
  }

  #pump(): void {
    const [head] = this.#own();
    if (!this.#online || this.#busy || !head) return;
    const { kept } = head;
    if (kept.first && Date.now() - kept.first > remembered) {
      const message = "It was sent long ago. It may have taken effect, or not.";
      return this.#done(head, { id: 0, status: 0, error: { code: "uncertain", message } });
    }
    if (!kept.first) {
      kept.first = Date.now();
      head.saved = this.#save(kept);
    }
    this.#busy = true;
    const attempt = ++this.#attempt;
    const { call, key } = kept;
    const request = "form" in kept ? { call, form: kept.form, key } : { call, in: kept.in, key };
    void Promise.race([head.saved, new Promise(done => setTimeout(done, slow))]).then(() => {
      if (attempt === this.#attempt) this.#hooks.ask(request, answer => this.#answered(head, answer));
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
      this.#unsaved.add(write.kept);
      void this.#save(write.kept).then(() => this.#unsaved.delete(write.kept));
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
    if (own.length === listed.length && own.every(({ key }, i) => key === listed[i]!.key)) return;
    this.refused.value = own.map(kept => listed.find(({ key }) => key === kept.key) ?? this.#refusedOf(kept));
  }

  #refusedOf(kept: Kept): Refused {
    const { effects, note } = kept;
    const body = "form" in kept ? { call: kept.call, form: kept.form } : { call: kept.call, in: kept.in };
    const dismiss = () => this.#dismiss(kept.key);
    const retry = () => {
      dismiss();
      return this.add(body, effects, note);
    };
    return { ...kept, error: kept.error!, dismiss, retry };
  }

  #dismiss(key: string): void {
    this.#dismissed.add(key);
    this.#refused = this.#refused.filter(kept => kept.key !== key);
    this.#hooks.turn(() => this.#list());
    void this.#forget(key).then(() => this.#announce());
  }

  /* The disk, and the other pages that use it. */

  async #open(): Promise<void> {
    if (!(await this.#disk) || this.#end.signal.aborted) return;
    this.#hooks.turn(() => (this.durable = true));
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
    if (!this.durable) return;
    const others = new Set((await this.#all()).flatMap(({ session, error }) => (error || session === this.#session ? [] : session)));
    for (const session of others) {
      if (!this.#inherited.has(session) && (await this.#lock(session, true))) this.#inherited.add(session);
    }
    clearTimeout(this.#timer);
    if (this.#end.signal.aborted) return;
    // To wait in line for the lock is no good: where a browser crashes, the line may stop.
    if ([...others].some(session => !this.#inherited.has(session))) this.#timer = setTimeout(() => void this.#refresh(), soon);
    const all = await this.#all();
    const waiting = all.filter(({ error }) => !error);
    this.#hooks.turn(() => {
      for (const kept of waiting) if (this.#inherited.has(kept.session) && !this.#seen.has(kept.key)) this.#take(new Write(kept, this.#hooks.finish));
      this.#writes.sort((a, b) => (a.key < b.key ? -1 : 1));
      const unsaved = [...this.#unsaved].filter(({ key }) => !all.some(kept => kept.error && kept.key === key));
      this.#refused = [...all.filter(({ error }) => error), ...unsaved].filter(({ key }) => !this.#dismissed.has(key));
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

  async #all(): Promise<Kept[]> {
    const disk = await this.#disk;
    return disk ? disk("writes", table => table.getAll()).catch(() => []) : [];
  }

  async #save(kept: Kept): Promise<void> {
    const disk = await this.#disk;
    if (!disk || kept.user === null) return;
    await (this.#locked ??= this.#lock(this.#session, false));
    await disk("writes", table => table.put(kept)).catch(() => this.#hooks.turn(() => (this.durable = false)));
    this.#announce();
  }

  async #forget(key: string): Promise<void> {
    const disk = await this.#disk;
    await disk?.("writes", table => table.delete(key)).catch(() => {});
  }

  #announce(): void {
    if (!this.#end.signal.aborted) this.#channel?.postMessage(null);
  }
}
