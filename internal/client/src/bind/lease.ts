import type { Cursor, Followed, HeldCursor, HeldValue, Value } from "tower";

const grace = 1000; // ms that what is not shown any more is kept for who shows it again

/**
 * A Lease follows something for a component: from its first look at it, which may
 * come to nothing, and for as long as it is subscribed to.
 */
export class Lease<F extends Followed<any>, Held extends object> {
  readonly #open: () => F;
  readonly #look: (followed: F) => Held;
  #followed: F | undefined;
  #holders = 0;
  #held: Held | undefined;

  constructor(open: () => F, look: (followed: F) => Held) {
    this.#open = open;
    this.#look = look;
  }

  readonly subscribe = (tell: () => void): (() => void) => {
    const stop = this.#hold().subscribe(tell);
    return () => {
      stop();
      this.#leave();
    };
  };

  /** What there is; the same until it changes. */
  readonly getSnapshot = (): Held => {
    if (!this.#followed) {
      this.#hold();
      this.#leave();
    }
    const held = this.#look(this.#followed!);
    if (!same(held, this.#held)) this.#held = held;
    return this.#held!;
  };

  #hold(): F {
    this.#holders++;
    return (this.#followed ??= this.#open());
  }

  #leave(): void {
    setTimeout(() => {
      if (--this.#holders > 0) return;
      this.#followed?.close();
      this.#followed = undefined;
    }, grace);
  }
}

function same<T extends object>(a: T, b: T | undefined): boolean {
  return b !== undefined && (Object.keys(a) as (keyof T)[]).every(key => a[key] === b[key]);
}

export const heldCursor = ({ records, pending, stale, error }: Cursor): HeldCursor<any> => ({ records, pending, stale, error });

export const heldValue = ({ value, stale, error }: Value<any>): HeldValue<any> => ({ value, stale, error });

export const noCursor: HeldCursor<any> = { records: [], pending: new Set(), stale: true, error: null };

export const noValue: HeldValue<any> = { value: undefined, stale: true, error: null };
