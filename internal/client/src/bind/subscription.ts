import type { Cursor, Followed, HeldCursor, HeldValue, Value } from "tower";

const closeDelay = 1000; // ms before an unused cursor or value is closed: a component may show it again

/**
 * A Subscription follows a cursor or a value for a component. It opens it on first
 * use and closes it some time after the last use.
 */
export class Subscription<F extends Followed<any>, View extends object> {
  readonly #open: () => F;
  readonly #select: (followed: F) => View;
  #followed: F | undefined;
  #holders = 0;
  #view: View | undefined;

  constructor(open: () => F, select: (followed: F) => View) {
    this.#open = open;
    this.#select = select;
  }

  readonly subscribe = (notify: () => void): (() => void) => {
    const stop = this.#acquire().subscribe(notify);
    return () => {
      stop();
      this.#release();
    };
  };

  /** Returns the current view; the same object until it changes. */
  readonly getSnapshot = (): View => {
    if (!this.#followed) {
      this.#acquire();
      this.#release();
    }
    const view = this.#select(this.#followed!);
    if (!same(view, this.#view)) this.#view = view;
    return this.#view!;
  };

  #acquire(): F {
    this.#holders++;
    return (this.#followed ??= this.#open());
  }

  #release(): void {
    setTimeout(() => {
      if (--this.#holders > 0) return;
      this.#followed?.close();
      this.#followed = undefined;
    }, closeDelay);
  }
}

function same<T extends object>(a: T, b: T | undefined): boolean {
  return b !== undefined && (Object.keys(a) as (keyof T)[]).every(key => a[key] === b[key]);
}

export const heldCursor = ({ records, pending, stale, error }: Cursor): HeldCursor<any> => ({ records, pending, stale, error });

export const heldValue = ({ value, stale, error }: Value<any>): HeldValue<any> => ({ value, stale, error });

export const noCursor: HeldCursor<any> = { records: [], pending: new Set(), stale: true, error: null };

export const noValue: HeldValue<any> = { value: undefined, stale: true, error: null };
