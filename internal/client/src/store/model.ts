import type { Store } from "./store";
import { ulid } from "../wire/ulid";
import type { Problems, Row } from "../wire/frames";
import type { Write } from "./write";

/**
 * A Model creates, updates and deletes records of one kind, with the routes
 * POST path, PATCH path/{id} and DELETE path/{id}. A write shows immediately in the
 * store's cursors. It is sent as soon as the server is reachable.
 */
export class Model<T extends Row = Row> {
  constructor(
    readonly store: Store,
    readonly name: string,
    readonly path: string,
  ) {}

  /** Creates a record. Its id is the given one or a new one, and does not change later. */
  create(fields: Partial<T>): Write<T> {
    const id = fields.id ?? ulid();
    const now = this.store.now(this.name);
    const set = { ...fields, createdAt: now, updatedAt: now };
    return this.store.write(`POST ${this.path}`, { ...fields, id }, [{ op: "create", model: this.name, id, set }]);
  }

  /** Changes the given fields of a record. */
  update(id: string, fields: Partial<T>): Write<T> {
    const set = { ...fields, updatedAt: this.store.now(this.name) };
    return this.store.write(`PATCH ${this.#pathOf(id)}`, fields, [{ op: "update", model: this.name, id, set }]);
  }

  /** Deletes a record. */
  delete(id: string): Write {
    return this.store.write(`DELETE ${this.#pathOf(id)}`, {}, [{ op: "delete", model: this.name, id }]);
  }

  #pathOf(id: string): string {
    if (!id) throw new TypeError(`tower: a record of ${this.name} needs an id`);
    return `${this.path}/${id}`;
  }

  /** Returns the problems of the refused writes to a record, until they are dismissed. */
  problems(id: string): Problems {
    const found: Problems = {};
    for (const { effects, error } of this.store.refused.value) {
      if (!effects.some(effect => effect.model === this.name && effect.id === id)) continue;
      Object.assign(found, error.problems ?? { "": [error.message] });
    }
    return found;
  }
}
