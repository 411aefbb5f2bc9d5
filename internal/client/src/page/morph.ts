import {
  attributes,
  childNodes,
  contains,
  contentEditable,
  copyAttribute,
  createElement,
  find,
  findAllInPage,
  firstChild,
  focused,
  getAttribute,
  hasAttribute,
  html,
  insertBefore,
  listen,
  matches,
  namespaceOf,
  nextSibling,
  nodeName,
  parentElement,
  parentNode,
  removeAttribute,
  removeNode,
  replaceWith,
} from "./dom";

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/**
 * Changes an element to match a fresh one without disturbing the user. It keeps the
 * nodes, and with them focus, selection and scroll positions. An edited field keeps
 * its value, a focused one is updated on blur, and an open dialog or details element
 * stays open. What data-tower-keep names stays as scripts have left it. Returns the
 * element that is in the document afterwards.
 */
export function morph(old: Element, fresh: Element): Element {
  if (kindOf(old) !== kindOf(fresh)) {
    replaceWith(old, fresh);
    return fresh;
  }
  const kept = keptParts(old, fresh);
  if (kept.all) return old;
  const edited = isEdited(old, fresh);
  if (isInUse(old) && !edited) {
    updateOnBlur(old, fresh);
    return old;
  }
  deferred.delete(old); // an older update no longer applies
  if (old instanceof HTMLInputElement) {
    morphInput(old, fresh as HTMLInputElement, edited);
  } else if (old instanceof HTMLTextAreaElement) {
    morphTextArea(old, fresh as HTMLTextAreaElement, edited);
  } else if (old instanceof HTMLSelectElement) {
    morphSelect(old, fresh as HTMLSelectElement, edited);
  } else {
    morphAttributes(old, fresh, kept.names);
    if (!edited && !kept.names.has("children")) morphChildren(old, fresh);
  }
  return old;
}

/** Returns what a change leaves alone: the whole element, or the attributes with these names and, with "children", what is in it. */
function keptParts(old: Element, fresh: Element): { all: boolean; names: ReadonlySet<string> } {
  const values = [old, fresh].flatMap(element => getAttribute(element, "data-tower-keep") ?? []);
  const names = values.flatMap(value => value.split(/\s+/).filter(Boolean));
  return { all: values.length > 0 && names.length === 0, names: new Set(names) };
}

function kindOf(node: Node): string {
  return node instanceof Element ? `${namespaceOf(node)} ${nodeName(node)}` : nodeName(node);
}

/** Inserts a node before another one, or last. A child of the parent only moves and keeps its state. */
export function place(parent: Element, node: Node, before: Node | null): void {
  if (node === before) return;
  if (parentNode(node) !== parent) insertBefore(parent, node, before);
  else if (moveBefore) moveBefore.call(parent, node, before);
  else keepingFocus(() => insertBefore(parent, node, before));
}

const { moveBefore } = Element.prototype;

function keepingFocus(move: () => void): void {
  const input = focused() as (HTMLElement & Partial<HTMLInputElement>) | null;
  const { selectionStart: start, selectionEnd: end, selectionDirection: direction } = input ?? {};
  move();
  if (!input || input === focused()) return;
  input.focus({ preventScroll: true });
  if (typeof start === "number") input.setSelectionRange?.(start, end ?? start, direction ?? "none");
}

/* Fields. The server's value is the default. A field counts as edited while its value differs from the default. */

function isField(element: Element): element is Field {
  return (
    element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement
  );
}

function isEditable(element: Element): element is HTMLElement {
  return element instanceof HTMLElement && contentEditable(element);
}

function isInUse(element: Element): boolean {
  if (isField(element)) return element === focused();
  return isEditable(element) && contains(element, focused());
}

function isEdited(element: Element, fresh: Element): boolean {
  if (element instanceof HTMLInputElement) {
    if (element.type === "radio") return radios(element).some(radio => radio.checked !== radio.defaultChecked);
    if (element.type === "checkbox") return element.checked !== element.defaultChecked;
    return element.value !== element.defaultValue && element.value !== untouched(element).value;
  }
  if (element instanceof HTMLTextAreaElement) return element.value !== element.defaultValue;
  if (element instanceof HTMLSelectElement) return isChosen(element);
  if (typedInto.has(element) && html(element) === html(fresh)) typedInto.delete(element);
  return typedInto.has(element);
}

function radios({ form, name }: HTMLInputElement): HTMLInputElement[] {
  const all = findAllInPage<HTMLInputElement>(`input[type=radio][name="${CSS.escape(name)}"]`);
  return all.filter(radio => radio.form === form);
}

/** Returns a copy of the input before any edit. Its value may differ from the attribute's text. */
function untouched(input: HTMLInputElement): HTMLInputElement {
  const copy = createElement("input");
  for (const attribute of input.attributes) copyAttribute(copy, attribute);
  return copy;
}

function isChosen(select: HTMLSelectElement): boolean {
  const options = [...select.options];
  const single = !select.multiple && select.size <= 1;
  if (single && !options.some(option => option.defaultSelected)) {
    return select.selectedIndex !== options.findIndex(option => !option.disabled);
  }
  return options.some(option => option.selected !== option.defaultSelected);
}

/** The editable elements that the user has typed into. */
const typedInto = new WeakSet<Element>();

listen("input", ({ target }) => {
  for (let element = target as Element | null; element && isEditable(element); element = parentElement(element)) {
    typedInto.add(element);
  }
});

/** The updates of focused elements, to apply on blur. */
const deferred = new WeakMap<Element, Element>();

function updateOnBlur(element: Element, fresh: Element): void {
  const update = () => {
    const latest = deferred.get(element);
    deferred.delete(element);
    if (latest) morph(element, latest);
  };
  if (!deferred.has(element)) element.addEventListener("blur", update, { once: true });
  deferred.set(element, fresh);
}

function morphInput(old: HTMLInputElement, fresh: HTMLInputElement, edited: boolean): void {
  // Once set, even to the same value, the property no longer follows the attribute.
  if (edited && old.type === "radio") old.checked = Boolean(old.checked);
  morphAttributes(old, fresh);
  if (edited) return;
  old.checked = fresh.checked;
  if (old.value !== fresh.value) old.value = fresh.value;
}

function morphTextArea(old: HTMLTextAreaElement, fresh: HTMLTextAreaElement, edited: boolean): void {
  morphAttributes(old, fresh);
  if (old.defaultValue !== fresh.defaultValue) old.defaultValue = fresh.defaultValue;
  if (!edited && old.value !== fresh.value) old.value = fresh.value;
}

function morphSelect(old: HTMLSelectElement, fresh: HTMLSelectElement, edited: boolean): void {
  const chosen = new Set([...old.selectedOptions].map(option => option.value));
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
  for (const option of old.options) option.selected = edited ? chosen.has(option.value) : option.defaultSelected;
}

/* Attributes and children. */

const none: ReadonlySet<string> = new Set();

function morphAttributes(old: Element, fresh: Element, kept = none): void {
  const opens = matches(old, "details, dialog");
  const leave = (name: string) => kept.has(name) || (opens && name === "open") || (name === "tabindex" && old === focused());
  for (const { name } of [...attributes(old)]) {
    if (!hasAttribute(fresh, name) && !leave(name)) removeAttribute(old, name);
  }
  for (const attribute of attributes(fresh)) {
    const { name, value } = attribute;
    if (getAttribute(old, name) !== value && !leave(name)) copyAttribute(old, attribute);
  }
}

function morphChildren(old: Element, fresh: Element): void {
  const same = matchChildren(old, fresh);
  const stay = new Set(same.values());
  for (const node of [...childNodes(old)]) if (!stay.has(node)) removeNode(node);

  let next = firstChild(old);
  for (const node of [...childNodes(fresh)]) {
    const kept = same.get(node);
    if (kept && kept === next) next = nextSibling(next);
    else place(old, kept ?? node, next);
    if (kept instanceof Element) morph(kept, node as Element);
    else if (kept && kept.nodeValue !== node.nodeValue) kept.nodeValue = node.nodeValue;
  }
}

/** Maps fresh children to old ones: by the name of the child or of an element in it, or else by kind and position. */
function matchChildren(old: Element, fresh: Element): Map<Node, Node> {
  const same = new Map<Node, Node>();
  const free = new Set<Node>(childNodes(old));
  for (const nameIn of [innerName, ownName]) {
    const byName = new Map<string, Node[]>();
    for (const node of free) {
      const key = nameIn(node);
      if (key === null) continue;
      const nodes = byName.get(key);
      if (nodes) nodes.push(node);
      else byName.set(key, [node]);
    }
    for (const node of childNodes(fresh)) {
      const found = same.has(node) ? undefined : byName.get(nameIn(node) ?? "")?.shift();
      if (!found) continue;
      same.set(node, found);
      free.delete(found);
    }
  }
  return same;
}

const named = "[id], [data-id], [name]";

function nameOf(element: Element): string {
  return getAttribute(element, "id") || (getAttribute(element, "data-id") ?? getAttribute(element, "name") ?? "");
}

function ownName(node: Node): string {
  return node instanceof Element ? `${kindOf(node)} ${nameOf(node)}` : kindOf(node);
}

function innerName(node: Node): string | null {
  if (!(node instanceof Element)) return null;
  const first = matches(node, named) ? node : find(node, named);
  return first && `${kindOf(node)} ${nameOf(first)}`;
}
