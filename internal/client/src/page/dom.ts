// A form's fields hide members of the form, and named forms and images hide members of
// the document: <input name="children">, <form name="body">. What reads or changes
// elements of a page therefore reaches their members by the prototypes.

type Method = (...args: any[]) => any;

function getter<T extends object, K extends keyof T & string>(prototype: T, name: K): (of: T) => T[K] {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name)!;
  return of => get!.call(of) as T[K];
}

function setter<T extends object, K extends keyof T & string>(prototype: T, name: K): (of: T, value: T[K]) => void {
  const { set } = Object.getOwnPropertyDescriptor(prototype, name)!;
  return (of, value) => set!.call(of, value);
}

function method<T extends object, K extends keyof T & string>(
  prototype: T,
  name: K,
): T[K] extends Method ? (of: T, ...args: Parameters<T[K]>) => ReturnType<T[K]> : never {
  const run = prototype[name] as Method;
  return ((of: T, ...args: unknown[]) => run.apply(of, args)) as any;
}

const node = Node.prototype;
export const childNodes = getter(node, "childNodes");
export const firstChild = getter(node, "firstChild");
export const nodeName = getter(node, "nodeName");
export const parentNode = getter(node, "parentNode");
export const isConnected = getter(node, "isConnected");
export const textContent = getter(node, "textContent");
export const setText = setter(node, "textContent");
export const dispatch = method(EventTarget.prototype, "dispatchEvent");
export const contains = method(node, "contains");
export const nextSibling = getter(node, "nextSibling");
export const insertBefore = method(node, "insertBefore");
const removeChild = method(node, "removeChild");

/** Removes a node from its parent. */
export function removeNode(of: Node): void {
  const parent = parentNode(of);
  if (parent) removeChild(parent, of);
}

const element = Element.prototype;
export const attributes = getter(element, "attributes");
export const firstElementChild = getter(element, "firstElementChild");
export const nextElementSibling = getter(element, "nextElementSibling");
export const parentElement = getter(node, "parentElement");
export const namespaceOf = getter(element, "namespaceURI");
export const html = getter(element, "innerHTML");
const setHTML = setter(element, "innerHTML");
export const getAttribute = method(element, "getAttribute");
export const setAttribute = method(element, "setAttribute");
/** Returns an attribute; "" if there is none. */
export function attributeOf(of: Element, name: string): string {
  return getAttribute(of, name) ?? "";
}

const setAttributeNode = method(element, "setAttributeNode");
export const hasAttribute = method(element, "hasAttribute");
export const removeAttribute = method(element, "removeAttribute");
export const matches = method(element, "matches");
export const closest = method(element, "closest");
export const find = method(element, "querySelector");
export const contentEditable = getter(HTMLElement.prototype, "isContentEditable");
export const replaceWith = method(element, "replaceWith");

const findEach = method(element, "querySelectorAll");

/** Returns the elements within an element that match a selector. */
export function findAll<E extends Element = HTMLElement>(of: Element, selector: string): E[] {
  return [...findEach(of, selector)] as E[];
}

const { addEventListener, createElement: create, querySelector, querySelectorAll } = Document.prototype;

/** Copies an attribute. Its name may be one that setAttribute refuses and HTML allows. */
export function copyAttribute(to: Element, attribute: Attr): void {
  setAttributeNode(to, attribute.cloneNode() as Attr);
}

/** Returns the first element of the page that matches a selector. */
export function findInPage<E extends Element = HTMLElement>(selector: string): E | null {
  return querySelector.call(document, selector) as E | null;
}

/** Returns the elements of the page that match a selector. */
export function findAllInPage<E extends Element = HTMLElement>(selector: string): E[] {
  return [...querySelectorAll.call(document, selector)] as E[];
}

/** Makes an element of the page. */
export function createElement<K extends keyof HTMLElementTagNameMap>(kind: K): HTMLElementTagNameMap[K] {
  return create.call(document, kind) as HTMLElementTagNameMap[K];
}

/** Calls a function with each event of the page. */
export function listen<E extends Event = Event>(kind: string, listener: (event: E) => void): void {
  addEventListener.call(document, kind, listener as (event: Event) => void);
}

const page = Document.prototype;
const active = getter(page, "activeElement");

/** The root element of the page. */
export const root = getter(page, "documentElement")(document) as HTMLElement;

const base = getter(node, "baseURI");

/** Returns the address that the page's links are relative to. */
export function baseURI(): string {
  return base(document);
}

/** Returns the element that has the focus. */
export function focused(): HTMLElement | null {
  return active(document) as HTMLElement | null;
}

/** A document that loads no images and runs no scripts. */
const inert = getter(page, "implementation")(document).createHTMLDocument("");

/**
 * Parses HTML as it would be parsed within an element: the same text gives other
 * elements in a table, a select, an SVG image or a formula. Returns the first element,
 * or the row that a table wraps in a body.
 */
export function parseWithin(parent: Element, text: string): Element | null {
  const context = inert.importNode(parent, false);
  setHTML(context, text);
  const first = firstElementChild(context);
  const wrapped = parent instanceof HTMLTableElement && first && !hasAttribute(first, "data-id") ? find(first, "[data-id]") : null;
  return wrapped ?? first;
}
