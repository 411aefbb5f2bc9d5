import type { Line, LineEvents } from "./connection";
import { deadline, times } from "./timeouts";
import { broken, restarting, type Closed, type Link, type Transport } from "./transport";
import { unsupportedVersion, version, type Complaint, type Frame, type Sent } from "../wire/frames";

/** A link in use, or a better one that is tried beside it. */
class Attempt {
  link!: Link;
  heard = 0; // when something came last
  greeted = 0; // when hello came
  due = 0; // answers
  pinged = false;
  proven = false; // a trial: it works both ways, and has said hello
  readonly held: Frame[] = []; // a trial: what came then
  callOff = () => {}; // ends the wait for what is to come in time

  constructor(readonly at: number) {}

  say(frame: Sent): void {
    if ("id" in frame) this.due++;
    this.link.send(JSON.stringify(frame));
  }

  hangUp(): void {
    this.callOff();
    this.link.close();
  }
}

const soon = 100; // ms before the first retry, at most
const later = 10_000; // ms before any other, and for the last transport to bring a hello
const steady = 60_000; // ms after which a link that breaks has been a good one
const tolerated = 2; // links of a transport that broke early
const seldom = 300_000; // ms before a better transport is tried again, at most
const drain = 2_000; // ms for the link that is left to bring what was sent before

/**
 * A Connection keeps a link to the server, over the first of its transports that
 * works. It says hello, and when the link is lost it dials again; soon at first,
 * later while that fails, and at once when the network or the reader comes back.
 * Over a lesser transport, it tries the better ones from time to time.
 */
export class Connection implements Line {
  readonly #transports: readonly Transport[];
  readonly #events: LineEvents;
  readonly #end = new AbortController();
  readonly #early: number[]; // by transport: links that broke early
  #current: Attempt | null = null;
  #trial: Attempt | null = null;
  #left: (() => void) | null = null; // tells of a link that has ended for a trial that is not there yet
  #timer: ReturnType<typeof setTimeout> | undefined; // of the next dial, or the next trial
  #at: number;
  #failures = 0;
  #trials = 0;

  constructor(transports: readonly Transport[], events: LineEvents) {
    this.#transports = transports;
    this.#events = events;
    this.#early = transports.map(() => 0);
    const worked = remembered();
    this.#at = Math.max(0, transports.findIndex(({ name }) => name === worked));
    this.#dial();
  }

  get transport(): string {
    return this.#transports[this.#at]!.name;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  send(frame: Sent): void {
    this.#current?.say(frame);
  }

  check(now: boolean): void {
    const current = this.#current;
    if (now && !current && !this.#left && !this.ended.aborted) this.#dial();
    if (!current?.greeted || current.pinged) return;
    if (now && !this.#trial) {
      this.#trials = Math.min(this.#trials, 1); // what was in the way may be gone
      this.#later();
    }
    if (!now && Date.now() - current.heard < times.quiet) return;
    current.pinged = true;
    this.#expect(current, times.answer * (current.due > 0 ? 4 : 1), "the server was silent");
    current.say({ ping: true });
  }

  restart(): void {
    this.#trial?.hangUp();
    this.#trial = null;
    if (this.#left) this.#left();
    else if (this.#current) this.#drop(this.#current, { code: restarting, reason: "restart" });
  }

  pause(): void {
    if (this.#forget()) this.#events.lost({ code: 1000, reason: "paused" }, false);
  }

  close(): void {
    if (this.ended.aborted) return;
    this.#forget();
    this.#end.abort();
    this.#events.lost({ code: 1000, reason: "closed" }, true);
  }

  #forget(): boolean {
    const had = this.#current ?? this.#left;
    clearTimeout(this.#timer);
    this.#current?.hangUp();
    this.#trial?.hangUp();
    this.#current = this.#trial = this.#left = null;
    return Boolean(had);
  }

  #dial = (): void => {
    clearTimeout(this.#timer);
    const last = this.#at === this.#transports.length - 1;
    this.#current = this.#open(this.#at, { hello: version }, last ? later : times.hello);
  };

  #open(at: number, first: Sent, patience: number): Attempt {
    const attempt = new Attempt(at);
    attempt.link = this.#transports[at]!.open({
      open: () => attempt.say(first),
      received: frames => this.#heard(attempt, frames),
      close: closed => this.#lost(attempt, closed),
    });
    this.#expect(attempt, patience, "the server did not answer");
    return attempt;
  }

  /** Drops a link from which nothing comes in time. */
  #expect(attempt: Attempt, patience: number, reason: string): void {
    attempt.callOff = deadline(() => this.#drop(attempt, { code: broken, reason }), patience);
  }

  #heard(attempt: Attempt, frames: Frame[]): void {
    attempt.heard = Date.now();
    attempt.due -= frames.filter(frame => "id" in frame).length;
    if (attempt.pinged) attempt.callOff();
    attempt.pinged = false;
    if (frames.length === 0) return;
    if (attempt !== this.#current && !attempt.proven) {
      attempt.proven = true;
      const instead = this.#current?.link.id;
      attempt.say({ hello: version, ...(instead && { instead }) });
      return;
    }
    if (!attempt.greeted) {
      const refused = frames.find((frame): frame is Complaint => "error" in frame);
      if (refused) return this.#drop(attempt, { code: 1011, reason: refused.error.message });
      if (!frames.some(frame => "hello" in frame)) return;
      attempt.greeted = Date.now();
      attempt.callOff();
      if (attempt === this.#current) this.#settle();
      else if (this.#current?.link.id) attempt.callOff = deadline(() => this.#replace(), drain);
    }
    if (attempt === this.#current) return this.#events.received(frames);
    attempt.held.push(...frames);
    if (!this.#current?.link.id) this.#replace();
  }

  /** Puts the trial in the place of the link in use, which has brought all that there was. */
  #replace(): void {
    const trial = this.#trial!;
    this.#current?.hangUp();
    trial.callOff();
    this.#current = trial;
    this.#trial = this.#left = null;
    this.#at = trial.at;
    this.#settle();
    this.#events.received(trial.held);
  }

  /** Remembers what works, and when to try what would be better. */
  #settle(): void {
    remembered(this.#at > 0 ? this.transport : "");
    this.#later();
  }

  #later(): void {
    clearTimeout(this.#timer);
    if (this.#at === 0) return;
    const wait = Math.min(seldom, times.climb * 2 ** this.#trials++);
    this.#timer = setTimeout(() => this.#try(0), wait * (1 - Math.random() / 2));
  }

  #try(at: number): void {
    this.#trial = this.#open(at, { ping: true }, times.hello);
  }

  #drop(attempt: Attempt, closed: Closed): void {
    attempt.link.close();
    this.#lost(attempt, closed);
  }

  #lost(attempt: Attempt, closed: Closed): void {
    attempt.callOff();
    const end = () => this.#over(attempt, closed);
    if (attempt === this.#current) {
      this.#current = null;
      if (this.#trial?.greeted) return this.#replace();
      if (this.#trial?.proven) this.#left = end;
      else end();
    } else if (attempt === this.#trial) {
      this.#trial = null;
      if (this.#left) this.#left();
      else if (attempt.at + 1 < this.#at) this.#try(attempt.at + 1);
      else this.#later();
    }
  }

  /** What was in use has ended: tells so, and dials again. */
  #over({ at, greeted }: Attempt, closed: Closed): void {
    this.#forget();
    if (closed.reason.startsWith(unsupportedVersion)) this.#end.abort();
    this.#events.lost(closed, this.ended.aborted);
    if (this.ended.aborted) return;

    // Only a link that held for a while counts as a success: else who is sent
    // away after each hello would come back at once, again and again.
    const held = greeted ? Date.now() - greeted : 0;
    if (held > steady) this.#early[at] = this.#trials = 0;
    if (held > later || closed.code === restarting) this.#failures = 0;
    let most = Math.min(later, soon * 2 ** this.#failures++);
    if (closed.code === broken && !greeted) {
      this.#at = (at + 1) % this.#transports.length;
      if (this.#at > 0) most = 0;
    } else if (closed.code === broken && ++this.#early[at]! > tolerated && at + 1 < this.#transports.length) {
      this.#at++;
      this.#trials += 4; // what works at first is not tried again so soon
    }
    this.#timer = setTimeout(this.#dial, Math.random() * most);
  }
}

/** What reached the server from this tab last; "" if that was the first choice. */
function remembered(now?: string): string | undefined {
  try {
    if (now !== undefined) sessionStorage["tower.transport"] = now;
    return sessionStorage["tower.transport"];
  } catch {
    return; // there is no storage, or it may not be used: the next page finds out by itself
  }
}
