import type { Store } from "./store";
import { ulid } from "../wire/ulid";
import type { Problems, Row } from "../wire/frames";
import type { Write } from "./write";

/**
 * A Model is where records of one kind are made, changed and deleted, by the
 * routes POST path, PATCH path/{id} and DELETE path/{id}. What is written shows
 * at once in the store's cursors, and is sent as soon as the server can be
 * reached.
 */
export class Model<T extends Row = Row> {
  constructor(
    readonly store: Store,
    readonly name: string,
    readonly path: string,
  ) {}

  /** Makes a record. Its id is made here, unless it is given, and is final. */
  create(fields: Partial<T>): Write<T> {
    const id = fields.id ?? ulid();
    const now = this.store.now(this.name);
    const set = { ...fields, createdAt: now, updatedAt: now };
    return this.store.write(`POST ${this.path}`, { ...fields, id }, [{ op: "create", model: this.name, id, set }]);
  }

  /** Changes fields of a record. Those that are not named stay as they are. */
  update(id: string, fields: Partial<T>): Write<T> {
    const set = { ...fields, updatedAt: this.store.now(this.name) };
    return this.store.write(`PATCH ${this.path}/${id}`, fields, [{ op: "update", model: this.name, id, set }]);
  }

  delete(id: string): Write {
    return this.store.write(`DELETE ${this.path}/${id}`, {}, [{ op: "delete", model: this.name, id }]);
  }

  /** What was wrong with the writes to a record that were refused and have not been dismissed. */
  problems(id: string): Problems {
    const found: Problems = {};
    for (const { effects, error } of this.store.refused.value) {
      if (!effects.some(effect => effect.model === this.name && effect.id === id)) continue;
      Object.assign(found, error.problems ?? { "": [error.message] });
    }
    return found;
  }
}
