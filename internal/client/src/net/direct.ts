import { zone } from "../wire/format";
import type { Connection, ConnectionEvents } from "./connection";
import { deadline, timeouts } from "./timeouts";
import { broken, refused, restarting, signedOut, type Closed, type Link, type Transport } from "./transport";
import { unsupportedVersion, version, type ClientFrame, type Complaint, type Frame } from "../wire/frames";

/** An Attempt is the link in use, or a trial of a better transport beside it. */
class Attempt {
  link!: Link;
  receivedAt = 0; // when the last message arrived
  helloAt = 0; // when the hello arrived; 0 before
  unanswered = 0; // requests
  pinged = false;
  works = false; // for a trial: the ping was answered and the hello is sent
  readonly frames: Frame[] = []; // for a trial: frames since its hello
  cancel = () => {}; // cancels the deadline

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

const retryDelay = 100; // ms, at most, before the first retry
const maxRetryDelay = 10_000; // ms, at most, before later retries; also the time limit for a hello on the last transport
const stableAfter = 60_000; // ms after which a lost link counts as a success
const maxEarlyLosses = 2; // per transport, before the next one is used
const maxUpgradeDelay = 300_000; // ms, at most, between two trials of a better transport
const cookieTime = 500; // ms that the page has to fetch its new cookie and restart, after a change of its session
const drainTime = 2_000; // ms that the old link has to deliver what the server already sent

/**
 * A DirectConnection keeps a link to the server over the first of its transports
 * that works. When the link is lost, it connects again: quickly at first, more
 * slowly after failures, and immediately when the network or the reader returns.
 * On a lesser transport, it tries the better ones from time to time.
 */
export class DirectConnection implements Connection {
  readonly #transports: readonly Transport[];
  readonly #events: ConnectionEvents;
  readonly #end = new AbortController();
  readonly #earlyLosses: number[]; // lost links by transport
  #current: Attempt | null = null;
  #trial: Attempt | null = null;
  #endPending: (() => void) | null = null; // reports the loss of a link, unless the trial succeeds
  #timer: ReturnType<typeof setTimeout> | undefined; // the next dial or the next trial
  #index: number;
  #failures = 0;
  #notBefore = 0; // when the client may connect again, if the server has said so
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
    if (now && !current && !this.#endPending && !this.ended.aborted && Date.now() >= this.#notBefore) this.#dial();
    if (!current?.helloAt || current.pinged) return;
    if (now && !this.#trial) {
      this.#upgrades = Math.min(this.#upgrades, 1); // the network may have changed
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
    else if (!this.ended.aborted) this.#dial();
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
    this.#current = this.#open(this.#index, { hello: version, zone }, last ? maxRetryDelay : timeouts.hello);
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

  /** Drops a link that stays silent for too long. */
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
      attempt.send({ hello: version, zone, ...(instead && { instead }) });
      return;
    }
    if (!attempt.helloAt) {
      const complaint = frames.find((frame): frame is Complaint => "error" in frame);
      if (complaint) {
        const { message, retryAfter } = complaint.error;
        return this.#drop(attempt, { code: refused(complaint.status ?? 500), reason: message, retryAfter });
      }
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

  /** Replaces the link in use, which has delivered everything, by the trial. */
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

  /** Remembers the working transport and schedules a trial of a better one. */
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

  /** Reports the loss of the link in use and schedules the next dial. */
  #retry({ index, helloAt }: Attempt, closed: Closed): void {
    this.#closeLinks();
    if (closed.reason.startsWith(unsupportedVersion)) this.#end.abort();
    this.#events.lost(closed, this.ended.aborted);
    if (this.ended.aborted) return;

    // Only a link that lasted counts as a success. Otherwise a client that the
    // server closes after each hello would reconnect in a tight loop.
    const lasted = helloAt ? Date.now() - helloAt : 0;
    if (lasted > stableAfter) this.#earlyLosses[index] = this.#upgrades = 0;
    if (lasted > maxRetryDelay || closed.code === restarting) this.#failures = 0;
    let most = Math.min(maxRetryDelay, retryDelay * 2 ** this.#failures++);
    if (closed.code === broken && !helloAt) {
      this.#index = (index + 1) % this.#transports.length;
      if (this.#index > 0) most = 0;
    } else if (closed.code === broken && ++this.#earlyLosses[index]! > maxEarlyLosses && index + 1 < this.#transports.length) {
      this.#index++;
      this.#upgrades += 4; // a transport that works only briefly is tried less often
    }
    const least = Math.max((closed.retryAfter ?? 0) * 1000, closed.code === signedOut ? cookieTime : 0);
    this.#notBefore = Date.now() + least;
    this.#timer = setTimeout(this.#dial, least + Math.random() * most);
  }
}

/** Returns, or sets, the transport that last worked in this tab; "" for the first choice. */
function lastTransport(now?: string): string | undefined {
  try {
    if (now !== undefined) sessionStorage["tower.transport"] = now;
    return sessionStorage["tower.transport"];
  } catch {
    return; // no storage: the next page has to find the transport again
  }
}
