import type { Store } from "../store/store";
import { refusal } from "../net/transport";
import type { Failure } from "../wire/frames";
import { createElement, dispatch, findAllInPage, findInPage, focused, listen, root } from "./dom";

/**
 * Dispatched at an element that the server no longer keeps current, or at the root element
 * if the user has changed or the site refuses the connection. It bubbles. A page that handles it itself prevents the default.
 */
export const endedEvent = "tower:ended";

/** What a list may be refused for and be opened later. */
const passing = new Set(["too_many", "unavailable", "internal", "timeout"]);

const refusedCode = "refused"; // loading the page again would not help

const patience = 10_000; // ms in which a page is not loaded twice

/**
 * Tells the user when a part of the page, or the page's user, has ended, and loads the
 * page again; and when the site refuses the connection. If the user has entered something, or the page was loaded just now, the
 * user decides when.
 */
export function watchEnds(store: Store): void {
  listen<CustomEvent<Failure>>(endedEvent, event => {
    const { code, message } = event.detail;
    if (!passing.has(code)) queueMicrotask(() => event.defaultPrevented || end(store, message, code === refusedCode));
  });
  let user: string | undefined;
  let refused = "";
  store.subscribe(state => {
    const reason = refusal(state.closed);
    if (reason && reason !== refused) dispatchEnd(root, { code: refusedCode, message: reason });
    if (refused && state.online) findInPage("[data-ended]")?.setAttribute("hidden", "");
    refused = reason;
    if (!state.online) return;
    const message = state.user ? "another user has signed in" : "you are signed out";
    if (user !== undefined && user !== state.user) dispatchEnd(root, { code: "user", message });
    user = state.user;
  });
}

/** Dispatches the event at an element. */
export function dispatchEnd(element: Element, detail: Failure): void {
  dispatch(element, new CustomEvent(endedEvent, { bubbles: true, cancelable: true, detail }));
}

async function end(store: Store, reason: string, stay: boolean): Promise<void> {
  if (!stay) {
    await store.exchanged?.catch(() => {}); // the form's answer says why
    await pause(0); // a form whose answer has changed the session leads to another page
    stay = leftAt + patience > Date.now();
    if (stay) await pause(leftAt + patience - Date.now());
  }
  if (stay || isFilled() || isFresh()) show(reason);
  else reload();
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

let leftAt = 0;

/** Navigates to another page. Loading this one again would prevent that. */
export function leave(to: URL | string): void {
  leftAt = Date.now();
  location.assign(to);
}

/** Reports whether the user has entered something that a reload would lose. */
function isFilled(): boolean {
  const edited = ({ value, defaultValue, checked, defaultChecked, type }: HTMLInputElement) =>
    type !== "hidden" && (value !== defaultValue || Boolean(checked) !== Boolean(defaultChecked));
  const inputs = findAllInPage<HTMLInputElement>("input, textarea");
  return inputs.some(edited) || Boolean(focused()?.isContentEditable);
}

const storageKey = "tower.loaded";

function isFresh(): boolean {
  try {
    const { href = "", at = 0 } = JSON.parse(sessionStorage.getItem(storageKey) ?? "{}");
    return href === location.href && Date.now() - at < patience;
  } catch {
    return true; // a page without storage might load for ever
  }
}

function reload(): void {
  sessionStorage.setItem(storageKey, JSON.stringify({ href: location.href, at: Date.now() }));
  location.reload();
}

/** Shows the reason in the page's element with data-ended, or in one of its own. */
function show(reason: string): void {
  const place = findInPage("[data-ended]") ?? ownPlace();
  const button = createElement("button");
  button.type = "button";
  button.textContent = "Load it again";
  button.addEventListener("click", reload);
  place.replaceChildren(`This page is out of date: ${reason}. `, button);
  place.hidden = false;
}

function ownPlace(): HTMLElement {
  const place = createElement("p");
  place.dataset.ended = "";
  place.setAttribute("role", "alert");
  Object.assign(place.style, {
    position: "fixed", inset: "auto 1rem 1rem", zIndex: "2147483647", margin: "0 auto", maxWidth: "36rem", padding: ".75rem 1rem",
    borderRadius: ".5rem", background: "CanvasText", color: "Canvas", font: "inherit",
  });
  findInPage("body")!.append(place);
  return place;
}
