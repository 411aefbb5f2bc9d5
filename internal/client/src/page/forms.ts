import { UnsentList } from "./unsent";
import type { Result } from "../wire/result";
import type { Store } from "../store/store";
import type { Problems } from "../wire/frames";

const offlineDelay = 400; // ms without a connection, until a form is left to the unsent

type Submitter = HTMLButtonElement | HTMLInputElement | null;

// A form's properties are hidden by fields of the same name: its attributes,
// and the methods of its prototype, are not.
const { requestSubmit, reset } = HTMLFormElement.prototype;

/**
 * Sends the page's forms over the connection: those with method=post to this
 * server, but not uploads, forms with a target or with data-tower="off". What
 * is wrong is shown in the form's own [data-problem] elements; if it has none
 * for it, the browser sends the form in its own way. Without a connection, what
 * a form says is kept until there is one, on a page that has an unsent to show
 * it in; but not of a form with a password or with data-tower="now".
 */
export function liveForms(store: Store): void {
  const busy = new WeakSet<HTMLFormElement>();
  const native = new WeakSet<HTMLFormElement>();
  const unsent = new UnsentList(store, showProblems);

  document.addEventListener("submit", async event => {
    const form = event.target as HTMLFormElement;
    const submitter = event.submitter as Submitter;
    if (event.defaultPrevented || native.has(form)) return;
    const action = actionOf(form, submitter);
    if (!action) return;
    event.preventDefault();
    if (busy.has(form)) return;

    busy.add(form);
    const done = await send(store, unsent, form, submitter, action).finally(() => busy.delete(form));
    if (done) return;
    native.add(form);
    requestSubmit.call(form, ownSubmitter(form, submitter));
    native.delete(form);
  });
}

function actionOf(form: HTMLFormElement, submitter: Submitter): URL | null {
  const read = (name: string) => submitter?.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? "";
  if (read("method").toLowerCase() !== "post" || form.getAttribute("data-tower") === "off") return null;
  if (read("enctype").toLowerCase() === "multipart/form-data") return null;
  if (!["", "_self"].includes(read("target"))) return null;
  const action = new URL(read("action") || location.href, document.baseURI);
  return action.origin === location.origin ? action : null;
}

/** Returns whether nothing is left to do. */
async function send(store: Store, unsent: UnsentList, form: HTMLFormElement, submitter: Submitter, action: URL): Promise<boolean> {
  const method = (action.searchParams.get("_method") ?? "POST").toUpperCase();
  const route = `${method} ${action.pathname}`;
  const fields = fieldsOf(form, submitter, action);
  if (store.ended) return false;
  unsent.sent(form);
  const release = setBusy(form, submitter);
  let result: Result | null;
  try {
    result = await (isSecret(form) ? store.call(route, fields) : write(store, unsent, route, fields, labelOf(form, submitter)));
  } catch {
    location.reload(); // as another user, or anew; what was sent may have taken effect
    return true;
  } finally {
    release();
  }
  if (result?.error) return showProblems(form, result.problems, result.error.message);

  showProblems(form, {}, "");
  const unchanged = fieldsOf(form, submitter, action).toString() === fields.toString();
  if (!(result && navigate(result)) && method === "POST" && unchanged) reset.call(form);
  return true;
}

/** Resolves with the answer, or with null when the form has been left to the unsent. */
async function write(store: Store, unsent: UnsentList, route: string, fields: URLSearchParams, text: string): Promise<Result | null> {
  const sent = store.write(route, fields, [], { page: location.pathname + location.search, text });
  const answered = sent.then(result => result); // somebody waits, as of now
  if (!unsent.element) return answered;
  const done = new AbortController();
  const result = await Promise.race([answered, offline(store, done.signal)]).finally(() => done.abort());
  if (!result) {
    sent.detach();
    unsent.render();
  }
  return result;
}

/** By what a person knows what was sent: the first of what was put in, else what is on the button. */
function labelOf(form: HTMLFormElement, submitter: Submitter): string {
  const inputs = [...form.querySelectorAll<HTMLInputElement>("[name]:not([type=hidden], [type=checkbox], [type=radio])")];
  return inputs.map(({ value }) => value).find(Boolean) ?? submitter?.textContent?.trim() ?? "";
}

/** Resolves with null when there has been no connection for a while. */
function offline(store: Store, signal: AbortSignal): Promise<null> {
  return new Promise(resolve => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = store.subscribe(({ online, closed }) => {
      if (online) timer = clearTimeout(timer) as undefined;
      else if (closed) timer ??= setTimeout(() => resolve(null), offlineDelay);
    });
    signal.addEventListener("abort", () => {
      stop();
      clearTimeout(timer);
    });
  });
}

function isSecret(form: HTMLFormElement): boolean {
  return form.getAttribute("data-tower") === "now" || form.querySelector("[type=password]") !== null;
}

/** What the browser would send, after what the action's query says. */
function fieldsOf(form: HTMLFormElement, submitter: Submitter, action: URL): URLSearchParams {
  const fields = new URLSearchParams(action.search);
  fields.delete("_method");
  for (const [name, value] of new FormData(form, ownSubmitter(form, submitter))) {
    fields.append(name, typeof value === "string" ? value : value.name);
  }
  return fields;
}

/** The button, unless the page has changed and it is no longer the form's. */
function ownSubmitter(form: HTMLFormElement, submitter: Submitter): Submitter {
  return submitter?.form === form ? submitter : null;
}

function setBusy(form: HTMLFormElement, submitter: Submitter): () => void {
  const focused = submitter !== null && submitter === document.activeElement;
  form.setAttribute("aria-busy", "true");
  if (submitter) submitter.disabled = true;
  return () => {
    form.removeAttribute("aria-busy");
    if (submitter) submitter.disabled = false;
    if (focused && document.activeElement === document.body) submitter.focus();
  };
}

/** Shows these problems and no others. Returns false, and shows none, if there is no place for one. */
function showProblems(form: HTMLFormElement, problems: Problems, message: string): boolean {
  const places = [...form.querySelectorAll<HTMLElement>("[data-problem]")];
  const placed = new Set(places.map(place => place.dataset.problem));
  const first = (field: string) => problems[field]?.[0] ?? "";
  const fields = Object.keys(problems);
  const unplaced = fields.find(field => field !== "" && !placed.has(field));
  const whole = first("") || (unplaced ? `${unplaced} ${first(unplaced)}` : fields.length > 0 ? "" : message);
  if (whole && !placed.has("")) return false;

  for (const place of places) {
    const field = place.dataset.problem!;
    place.textContent = field === "" ? whole : first(field);
    place.hidden = place.textContent === "";
  }
  let focus: HTMLElement | undefined;
  for (const input of form.querySelectorAll<HTMLInputElement>("[name]")) {
    if (!first(input.name)) {
      input.removeAttribute("aria-invalid");
      continue;
    }
    input.setAttribute("aria-invalid", "true");
    if (input.type !== "hidden") focus ??= input;
  }
  focus?.focus();
  return true;
}

/** Goes where the answer leads. A live page that is there already stays, as it shows what has changed. */
function navigate({ location: to, session }: Result): boolean {
  const next = new URL(to || location.href, location.href);
  const [there] = next.href.split("#");
  const [here] = location.href.split("#");
  if (there !== here && next.protocol.startsWith("http")) location.assign(next); // never a javascript: address
  else if (session || !document.querySelector("[data-live]")) location.reload();
  else return false;
  return true;
}
