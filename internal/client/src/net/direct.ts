import type { Connection, ConnectionEvents } from "./connection";
import { deadline, timeouts } from "./timeouts";
import { broken, restarting, type Closed, type Link, type Transport } from "./transport";
import { unsupportedVersion, version, type ClientFrame, type Complaint, type Frame } from "../wire/frames";

/** A link in use, or a better one that is tried beside it. */
class Attempt {
  link!: Link;
  receivedAt = 0; // when something came last
  helloAt = 0; // when hello came
  unanswered = 0; // answers
  pinged = false;
  works = false; // a trial: it works both ways, and has said hello
  readonly frames: Frame[] = []; // a trial: what came then
  cancel = () => {}; // ends the wait for what is to come in time

  constructor(readonly index: number) {}

  send(frame: ClientFrame): void {
    if ("id" in frame) this.unanswered++;
    this.link.send(JSON.stringify(frame));
  }

  close(): void {
    this.cancel();
    this.link.close();
  }
}

const retryDelay = 100; // ms before the first retry, at most
const maxRetryDelay = 10_000; // ms before any other, and for the last transport to bring a hello
const stableAfter = 60_000; // ms after which a link that breaks has been a good one
const maxEarlyLosses = 2; // links of a transport that broke early
const maxUpgradeDelay = 300_000; // ms before a better transport is tried again, at most
const drainTime = 2_000; // ms for the link that is left to bring what was sent before

/**
 * A Connection keeps a link to the server, over the first of its transports that
 * works. It says hello, and when the link is lost it dials again; retryDelay at first,
 * maxRetryDelay while that fails, and at once when the network or the reader comes back.
 * Over a lesser transport, it tries the better ones from time to time.
 */
export class DirectConnection implements Connection {
  readonly #transports: readonly Transport[];
  readonly #events: ConnectionEvents;
  readonly #end = new AbortController();
  readonly #earlyLosses: number[]; // by transport: links that broke early
  #current: Attempt | null = null;
  #trial: Attempt | null = null;
  #endPending: (() => void) | null = null; // tells of a link that has ended for a trial that is not there yet
  #timer: ReturnType<typeof setTimeout> | undefined; // of the next openConnection, or the next trial
  #index: number;
  #failures = 0;
  #upgrades = 0;

  constructor(transports: readonly Transport[], events: ConnectionEvents) {
    this.#transports = transports;
    this.#events = events;
    this.#earlyLosses = transports.map(() => 0);
    const worked = lastTransport();
    this.#index = Math.max(0, transports.findIndex(({ name }) => name === worked));
    this.#dial();
  }

  get transport(): string {
    return this.#transports[this.#index]!.name;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  send(frame: ClientFrame): void {
    this.#current?.send(frame);
  }

  check(now: boolean): void {
    const current = this.#current;
    if (now && !current && !this.#endPending && !this.ended.aborted) this.#dial();
    if (!current?.helloAt || current.pinged) return;
    if (now && !this.#trial) {
      this.#upgrades = Math.min(this.#upgrades, 1); // what was in the way may be gone
      this.#scheduleUpgrade();
    }
    if (!now && Date.now() - current.receivedAt < timeouts.silence) return;
    current.pinged = true;
    this.#setDeadline(current, timeouts.pong * (current.unanswered > 0 ? 4 : 1), "the server was silent");
    current.send({ ping: true });
  }

  restart(): void {
    this.#trial?.close();
    this.#trial = null;
    if (this.#endPending) this.#endPending();
    else if (this.#current) this.#drop(this.#current, { code: restarting, reason: "restart" });
  }

  pause(): void {
    if (this.#closeLinks()) this.#events.lost({ code: 1000, reason: "paused" }, false);
  }

  close(): void {
    if (this.ended.aborted) return;
    this.#closeLinks();
    this.#end.abort();
    this.#events.lost({ code: 1000, reason: "closed" }, true);
  }

  #closeLinks(): boolean {
    const had = this.#current ?? this.#endPending;
    clearTimeout(this.#timer);
    this.#current?.close();
    this.#trial?.close();
    this.#current = this.#trial = this.#endPending = null;
    return Boolean(had);
  }

  #dial = (): void => {
    clearTimeout(this.#timer);
    const last = this.#index === this.#transports.length - 1;
    this.#current = this.#open(this.#index, { hello: version }, last ? maxRetryDelay : timeouts.hello);
  };

  #open(index: number, first: ClientFrame, timeout: number): Attempt {
    const attempt = new Attempt(index);
    attempt.link = this.#transports[index]!.open({
      open: () => attempt.send(first),
      received: frames => this.#received(attempt, frames),
      close: closed => this.#lost(attempt, closed),
    });
    this.#setDeadline(attempt, timeout, "the server did not answer");
    return attempt;
  }

  /** Drops a link from which nothing comes in time. */
  #setDeadline(attempt: Attempt, timeout: number, reason: string): void {
    attempt.cancel = deadline(() => this.#drop(attempt, { code: broken, reason }), timeout);
  }

  #received(attempt: Attempt, frames: Frame[]): void {
    attempt.receivedAt = Date.now();
    attempt.unanswered -= frames.filter(frame => "id" in frame).length;
    if (attempt.pinged) attempt.cancel();
    attempt.pinged = false;
    if (frames.length === 0) return;
    if (attempt !== this.#current && !attempt.works) {
      attempt.works = true;
      const instead = this.#current?.link.id;
      attempt.send({ hello: version, ...(instead && { instead }) });
      return;
    }
    if (!attempt.helloAt) {
      const refused = frames.find((frame): frame is Complaint => "error" in frame);
      if (refused) return this.#drop(attempt, { code: 1011, reason: refused.error.message });
      if (!frames.some(frame => "hello" in frame)) return;
      attempt.helloAt = Date.now();
      attempt.cancel();
      if (attempt === this.#current) this.#chosen();
      else if (this.#current?.link.id) attempt.cancel = deadline(() => this.#promoteTrial(), drainTime);
    }
    if (attempt === this.#current) return this.#events.received(frames);
    attempt.frames.push(...frames);
    if (!this.#current?.link.id) this.#promoteTrial();
  }

  /** Puts the trial in the place of the link in use, which has brought all that there was. */
  #promoteTrial(): void {
    const trial = this.#trial!;
    this.#current?.close();
    trial.cancel();
    this.#current = trial;
    this.#trial = this.#endPending = null;
    this.#index = trial.index;
    this.#chosen();
    this.#events.received(trial.frames);
  }

  /** Remembers what works, and when to try what would be better. */
  #chosen(): void {
    lastTransport(this.#index > 0 ? this.transport : "");
    this.#scheduleUpgrade();
  }

  #scheduleUpgrade(): void {
    clearTimeout(this.#timer);
    if (this.#index === 0) return;
    const wait = Math.min(maxUpgradeDelay, timeouts.upgrade * 2 ** this.#upgrades++);
    this.#timer = setTimeout(() => this.#startTrial(0), wait * (1 - Math.random() / 2));
  }

  #startTrial(index: number): void {
    this.#trial = this.#open(index, { ping: true }, timeouts.hello);
  }

  #drop(attempt: Attempt, closed: Closed): void {
    attempt.link.close();
    this.#lost(attempt, closed);
  }

  #lost(attempt: Attempt, closed: Closed): void {
    attempt.cancel();
    const end = () => this.#retry(attempt, closed);
    if (attempt === this.#current) {
      this.#current = null;
      if (this.#trial?.helloAt) return this.#promoteTrial();
      if (this.#trial?.works) this.#endPending = end;
      else end();
    } else if (attempt === this.#trial) {
      this.#trial = null;
      if (this.#endPending) this.#endPending();
      else if (attempt.index + 1 < this.#index) this.#startTrial(attempt.index + 1);
      else this.#scheduleUpgrade();
    }
  }

  /** What was in use has ended: tells so, and dials again. */
  #retry({ index, helloAt }: Attempt, closed: Closed): void {
    this.#closeLinks();
    if (closed.reason.startsWith(unsupportedVersion)) this.#end.abort();
    this.#events.lost(closed, this.ended.aborted);
    if (this.ended.aborted) return;

    // Only a link that held for a while counts as a success: else who is sent
    // away after each hello would come back at once, again and again.
    const held = helloAt ? Date.now() - helloAt : 0;
    if (held > stableAfter) this.#earlyLosses[index] = this.#upgrades = 0;
    if (held > maxRetryDelay || closed.code === restarting) this.#failures = 0;
    let most = Math.min(maxRetryDelay, retryDelay * 2 ** this.#failures++);
    if (closed.code === broken && !helloAt) {
      this.#index = (index + 1) % this.#transports.length;
      if (this.#index > 0) most = 0;
    } else if (closed.code === broken && ++this.#earlyLosses[index]! > maxEarlyLosses && index + 1 < this.#transports.length) {
      this.#index++;
      this.#upgrades += 4; // what works at first is not tried again so retryDelay
    }
    this.#timer = setTimeout(this.#dial, Math.random() * most);
  }
}

/** What reached the server from this tab last; "" if that was the first choice. */
function lastTransport(now?: string): string | undefined {
  try {
    if (now !== undefined) sessionStorage["tower.transport"] = now;
    return sessionStorage["tower.transport"];
  } catch {
    return; // there is no storage, or it may not be used: the next page finds out by itself
  }
}
