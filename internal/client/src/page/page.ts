import { List, sums } from "../store/cursor";
import { report } from "../store/observable";
import {
  attributeOf,
  attributes,
  copyAttribute,
  findAll,
  findAllInPage,
  getAttribute,
  hasAttribute,
  isConnected,
  listen,
  nextElementSibling,
  parentElement,
  parentNode,
  parseWithin,
  removeAttribute,
  removeNode,
  replaceWith,
  root,
  setAttribute,
  setText,
  textContent,
} from "./dom";
import { dispatchEnd } from "./ended";
import { stayNear } from "./focus";
import { formatValue, localize } from "./localize";
import { morph, place } from "./morph";
import { checksum } from "../wire/checksum";
import type { Store } from "../store/store";
import type { Answer, Delta, Entry, Failure, Live } from "../wire/frames";

/**
 * Keeps the page's lists, the elements with data-live, current. It sets data-tower on
 * the root element to "online" or "offline". After adding or removing lists, dispatch
 * tower:refresh on the document.
 */
export function livePage(store: Store): void {
  const lists = new Map<Element, LiveElements | LiveText | LiveRegion>();
  const refresh = () => {
    for (const [element, list] of lists) {
      if (isConnected(element) && getAttribute(element, "data-live") === list.request.live) continue;
      lists.delete(element);
      store.removeList(list);
      if (!isConnected(element)) setAttribute(element, "data-since", list.since);
    }
    for (const element of findAllInPage("[data-live]")) {
      if (lists.has(element)) continue;
      const kind = hasAttribute(element, "data-region") ? LiveRegion : hasAttribute(element, "data-value") ? LiveText : LiveElements;
      const list = new kind(element);
      lists.set(element, list);
      store.addList(list);
    }
  };
  listen("tower:refresh", refresh);
  refresh();

  store.subscribe(({ online, closed }) => {
    if (online || closed) root.dataset.tower = online ? "online" : "offline";
  });
}

/** A LivePart is an element with data-live, which the server keeps current. */
abstract class LivePart extends List {
  readonly request: Live;
  #reported: Failure | null = null; // the error that was reported

  constructor(protected element: Element) {
    super();
    this.request = { live: attributeOf(element, "data-live") };
    this.since = attributeOf(element, "data-since");
  }

  /** Dispatches an event at the element when it is no longer live, once for each error. */
  notify(): void {
    const { error } = this;
    if (error && error !== this.#reported) {
      console.warn(`tower: a part of this page is not live: ${error.message}`);
      dispatchEnd(this.element, error);
    }
    this.#reported = error;
  }
}

/** LiveElements is a list of elements: the children with data-id of an element with data-live. */
export class LiveElements extends LivePart {
  replace(answer: Answer): void {
    stayNear(this.element, () => this.#replace(answer));
  }

  #replace({ items = [] }: Answer): void {
    const stay = new Set(items.map(item => item.id));
    for (const element of this.#items()) if (!stay.has(idOf(element))) removeNode(element);
    let after = "";
    for (const item of items) {
      try {
        this.#put({ ...item, after });
      } catch (error) {
        report(error);
        this.#put({ ...item, after }, replaceBy);
      }
      after = item.id;
    }
  }

  /** Changes every row that it can. Then it throws the error of a row that it could not change. */
  apply(delta: Delta): void {
    let errors: unknown[] = [];
    stayNear(this.element, () => (errors = this.#apply(delta)));
    if (errors.length > 0) throw errors[0];
  }

  #apply({ leave = [], enter = [], change = [], then = [] }: Delta): unknown[] {
    for (const id of leave) {
      const element = this.#find(id);
      if (element) removeNode(element);
    }
    const errors: unknown[] = [];
    for (const entry of [...enter, ...change]) {
      try {
        this.#put(entry);
      } catch (error) {
        errors.push(error);
      }
    }
    return errors.concat(...then.map(more => this.#apply(more)));
  }

  /** What the page shows of a record is the application's template; the server compares the ids. */
  checksums(): ReturnType<typeof sums> {
    return sums(this.#items().map(idOf));
  }

  notify(): void {
    setAttribute(this.element, "data-count", String(this.#items().length));
    super.notify();
  }

  #put({ id, html, after }: Entry, change = morph): void {
    const fresh = html === undefined ? null : parsed(this.element, html);
    const old = this.#find(id);
    const element = old && fresh ? change(old, fresh) : (old ?? fresh);
    if (!element) return;
    if (!old || after !== undefined) {
      const next = this.#next(id, after);
      place(this.#container(next, element), element, next);
    }
    if (!old) markEntered(element);
  }

  /** Returns the element to insert a record before. The record comes first, after another one, or by id in a list without an order. */
  #next(id: string, after: string | undefined): Element | null {
    if (after) {
      const before = this.#find(after);
      return before && nextElementSibling(before);
    }
    return this.#items().find(item => after === "" || idOf(item) > id) ?? null;
  }

  /** Returns the parent for an element: the list itself, or the body of a table, in which HTML wraps rows. */
  #container(next: Element | null, element: Element): Element {
    if (!(this.element instanceof HTMLTableElement) || !(element instanceof HTMLTableRowElement)) return this.element;
    const body = next && parentNode(next);
    return body instanceof Element ? body : (this.element.tBodies[0] ?? this.element.createTBody());
  }

  #find(id: string): Element | null {
    const selector = `[data-id="${CSS.escape(id)}"]`;
    return findAll(this.element, `:scope > ${selector}, ${wrapped} > ${selector}`)[0] ?? null;
  }

  #items(): Element[] {
    return findAll(this.element, `:scope > [data-id], ${wrapped} > [data-id]`);
  }
}

/** The bodies that the parser makes around the rows of a table. */
const wrapped = "table:scope > tbody:not([data-id])";

function idOf(item: Element): string {
  return getAttribute(item, "data-id")!;
}

function replaceBy(old: Element, fresh: Element): Element {
  replaceWith(old, fresh);
  return fresh;
}

/** A LiveShown is an element that shows one value as a whole. */
abstract class LiveShown extends LivePart {
  replace({ value }: Answer): void {
    this.show(value);
  }

  apply(delta: Delta): void {
    if (delta.closed || "value" in delta) this.show(delta.value);
  }

  protected abstract show(value: unknown): void;
}

/** LiveText is a value: the text of an element with data-live and data-value. */
export class LiveText extends LiveShown {
  #value: unknown;

  checksums(): ReturnType<typeof sums> {
    return { sum: checksum(this.#value) };
  }

  protected show(value: unknown): void {
    this.#value = value;
    const text = formatValue(this.element, value);
    if (textContent(this.element) !== text) setText(this.element, text);
  }
}

/** LiveRegion is a part of the page that the server renders for this user: an element with data-live and data-region. */
export class LiveRegion extends LiveShown {
  protected show(value: unknown): void {
    const parent = parentElement(this.element);
    const fresh = typeof value === "string" && parent ? parsed(parent, value) : null;
    if (!fresh) return;
    for (const attribute of attributes(this.element)) if (regionAttributes.has(attribute.name)) copyAttribute(fresh, attribute);
    stayNear(this.element, () => (this.element = morph(this.element, fresh)));
  }
}

function parsed(parent: Element, html: string): Element | null {
  const fresh = parseWithin(parent, html);
  return fresh && localize(fresh);
}

const regionAttributes = new Set(["data-region", "data-live", "data-since"]);

/** Sets data-entered for one frame, so that CSS can start a transition. */
function markEntered(element: Element): void {
  setAttribute(element, "data-entered", "");
  requestAnimationFrame(() => requestAnimationFrame(() => removeAttribute(element, "data-entered")));
}
