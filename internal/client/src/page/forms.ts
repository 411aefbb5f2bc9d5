import { baseURI, find, findAll, findAllInPage, findInPage, getAttribute, listen, removeAttribute, setAttribute } from "./dom";
import { leave } from "./ended";
import { UnsentList } from "./unsent";
import { refusal } from "../net/transport";
import { upload } from "../net/upload";
import { TowerError } from "../wire/error";
import type { Result } from "../wire/result";
import type { Store } from "../store/store";
import type { Problems } from "../wire/frames";

const offlineDelay = 400; // ms without a connection before a form moves to the list of unsent ones

type Submitter = HTMLButtonElement | HTMLInputElement | null;

const { requestSubmit, reset } = HTMLFormElement.prototype;

/**
 * Sends the page's forms over the connection. This applies to forms with
 * method=post to this server, except those with a target, with data-tower="off", or
 * with files for which the server has not made the box. Files are uploaded first, and
 * their boxes show how far that is. Problems appear in the form's [data-problem] elements. If the form
 * has no element for a problem, the browser submits it as usual. Without a connection,
 * a page with a [data-outbox] element stores the form and sends it later, unless the
 * form has a password field or data-tower="now".
 */
export function liveForms(store: Store): void {
  const busy = new WeakSet<HTMLFormElement>();
  const native = new WeakSet<HTMLFormElement>();
  const unsent = new UnsentList(store, showProblems);
  for (const form of findAllInPage<HTMLFormElement>("form")) showRendered(form);

  listen<SubmitEvent>("submit", async event => {
    const form = event.target as HTMLFormElement;
    const submitter = event.submitter as Submitter;
    if (event.defaultPrevented || native.has(form)) return;
    const action = actionOf(form, submitter);
    if (!action) return;
    event.preventDefault();
    if (busy.has(form) || !isMultipart(form, submitter) && refuseFiles(form)) return;

    busy.add(form);
    const done = await send(store, unsent, form, submitter, action).finally(() => busy.delete(form));
    if (done) return;
    native.add(form);
    requestSubmit.call(form, ownSubmitter(form, submitter));
    native.delete(form);
  });
}

function actionOf(form: HTMLFormElement, submitter: Submitter): URL | null {
  const read = (name: string) => submitter?.getAttribute(`form${name}`) ?? getAttribute(form, name) ?? "";
  if (read("method").toLowerCase() !== "post" || getAttribute(form, "data-tower") === "off") return null;
  if (isMultipart(form, submitter) && (!find(form, "[type=file]") || find(form, "[type=file]:not([data-max])"))) return null;
  if (!["", "_self"].includes(read("target"))) return null;
  const action = new URL(read("action") || location.href, baseURI());
  return action.origin === location.origin ? action : null;
}

function isMultipart(form: HTMLFormElement, submitter: Submitter): boolean {
  return (submitter?.getAttribute("formenctype") ?? getAttribute(form, "enctype") ?? "").toLowerCase() === "multipart/form-data";
}

/** What stands for the files that have been uploaded. */
const uploads = new WeakMap<File, string>();

/** Uploads the chosen files of a form. Returns the problems of those that the server refused. */
async function uploadFiles(form: HTMLFormElement, route: string): Promise<Problems> {
  const problems: Problems = {};
  for (const box of findAll<HTMLInputElement>(form, "[type=file][data-max]")) {
    const file = box.files?.[0];
    if (!file || box.matches(":disabled") || uploads.has(file)) continue;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", file.name);
    box.after(bar);
    try {
      uploads.set(file, await upload(route, box.name, file, { onProgress: (sent, total) => (bar.value = total ? sent / total : 1) }));
    } catch (error) {
      if (!(error instanceof TowerError)) throw error;
      Object.assign(problems, Object.keys(error.problems).length ? error.problems : { [box.name]: [error.message] });
    } finally {
      bar.remove();
    }
  }
  return problems;
}

/** Sends a form. Resolves with false if the browser has to submit it. */
async function send(store: Store, unsent: UnsentList, form: HTMLFormElement, submitter: Submitter, action: URL): Promise<boolean> {
  const method = (action.searchParams.get("_method") ?? "POST").toUpperCase();
  const route = `${method} ${action.pathname}`;
  if (store.ended) return false;
  unsent.sent(form);
  const entries = entriesOf(form, submitter);
  const release = setBusy(form, submitter);
  const stop = showRefusal(store, form);
  let result: Result | null, fields: URLSearchParams;
  try {
    const problems = await uploadFiles(form, route);
    if (Object.keys(problems).length > 0) return showProblems(form, problems, "");
    fields = fieldsOf(entries, isMultipart(form, submitter), action);
    result = await (isSecret(form) ? store.call(route, fields) : write(store, unsent, route, fields, labelOf(form, submitter)));
  } catch {
    location.reload(); // the user changed or the connection ended; the call may have taken effect
    return true;
  } finally {
    stop();
    release();
  }
  if (result?.error?.code === "unauthenticated" && signIn(result.location)) return true;
  if (result?.error) return showProblems(form, result.problems, result.error.message);

  showProblems(form, {}, "");
  const unchanged = fieldsOf(entriesOf(form, submitter), isMultipart(form, submitter), action).toString() === fields.toString();
  if (!(result && navigate(result)) && method === "POST" && unchanged) reset.call(form);
  return true;
}

/** Resolves with the answer, or with null if the form waits in the list of unsent ones. */
async function write(store: Store, unsent: UnsentList, route: string, fields: URLSearchParams, text: string): Promise<Result | null> {
  const sent = store.write(route, fields, [], { page: location.pathname + location.search, text });
  const answered = sent.then(result => result); // marks the write as awaited
  if (!unsent.element) return answered;
  const done = new AbortController();
  const result = await Promise.race([answered, offline(store, done.signal)]).finally(() => done.abort());
  if (!result) {
    sent.detach();
    unsent.render();
  }
  return result;
}

/** Returns a label for the form: its first value, or the text of the button. */
function labelOf(form: HTMLFormElement, submitter: Submitter): string {
  const inputs = findAll<HTMLInputElement>(form, "[name]:not([type=hidden], [type=checkbox], [type=radio])");
  return inputs.map(({ value }) => value).find(Boolean) ?? submitter?.textContent?.trim() ?? "";
}

/** Resolves with null after some time without a connection. */
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
  return getAttribute(form, "data-tower") === "now" || find(form, "[type=password]") !== null;
}

type Entry = [name: string, value: FormDataEntryValue];

function entriesOf(form: HTMLFormElement, submitter: Submitter): Entry[] {
  return [...new FormData(form, ownSubmitter(form, submitter))];
}

/** Returns the fields in the action's query, followed by the fields that the browser would send. */
function fieldsOf(entries: Entry[], multipart: boolean, action: URL): URLSearchParams {
  const fields = new URLSearchParams(action.search);
  fields.delete("_method");
  for (const [name, value] of entries) {
    if (typeof value === "string") fields.append(name, value);
    else if (uploads.has(value)) fields.append(name, uploads.get(value)!);
    else if (value.name || !multipart) fields.append(name, value.name);
  }
  return fields;
}

/** Returns whether a file is chosen, and says at its box that this form cannot send it: the browser would send the name alone. */
function refuseFiles(form: HTMLFormElement): boolean {
  const boxes = findAll<HTMLInputElement>(form, "[type=file][name]");
  const chosen = boxes.filter(box => !box.matches(":disabled") && box.files!.length > 0);
  const problem = `is a file, which this form cannot send; it needs enctype="multipart/form-data"`;
  if (chosen.length > 0 && !showProblems(form, Object.fromEntries(chosen.map(({ name }) => [name, [problem]])), "")) {
    const [box] = chosen as [HTMLInputElement];
    box.setCustomValidity(`${box.name} ${problem}`);
    box.reportValidity();
    box.addEventListener("input", () => box.setCustomValidity(""), { once: true });
  }
  return chosen.length > 0;
}

/** While the form waits for a connection, shows that the site refuses it. Returns a function that stops this. */
function showRefusal(store: Store, form: HTMLFormElement): () => void {
  let shown = "";
  return store.subscribe(({ closed }) => {
    const why = refusal(closed);
    if (why !== shown) showProblems(form, {}, (shown = why));
  });
}

/** Returns the submit button, or null if a change of the page has moved it out of the form. */
function ownSubmitter(form: HTMLFormElement, submitter: Submitter): Submitter {
  return submitter?.form === form ? submitter : null;
}

/**
 * Marks the form as busy, and its button as disabled. Returns a function that undoes this. The button only says so: an
 * element that browsers disable loses the focus.
 */
function setBusy(form: HTMLFormElement, submitter: Submitter): () => void {
  setAttribute(form, "aria-busy", "true");
  submitter?.setAttribute("aria-disabled", "true");
  return () => {
    removeAttribute(form, "aria-busy");
    submitter?.removeAttribute("aria-disabled");
  };
}

/** Replaces the problems that the form shows. Returns false and shows nothing if one has no place. */
function showProblems(form: HTMLFormElement, problems: Problems, message: string): boolean {
  const places = findAll(form, "[data-problem]");
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
  for (const input of findAll<HTMLInputElement>(form, "[name]")) {
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

/** Leads to the problems with which the server has rendered a form that was refused. */
function showRendered(form: HTMLFormElement): void {
  const shown = findAll(form, "[data-problem]").filter(place => !place.hidden && place.textContent);
  if (shown.length > 0) showProblems(form, Object.fromEntries(shown.map(place => [place.dataset.problem, [place.textContent]])), "");
}

/** Goes to the page where one signs in, and from there back to this one. Returns false if there is none, or if this is it. */
function signIn(path: string): boolean {
  if (!path.startsWith("/") || path === location.pathname) return false;
  leave(`${path}?${new URLSearchParams({ return: location.pathname + location.search })}`);
  return true;
}

/** Navigates to the location of the answer. A live page at that location stays: it already shows the changes. */
function navigate({ location: to, session }: Result): boolean {
  const next = new URL(to || location.href, location.href);
  const [there] = next.href.split("#");
  const [here] = location.href.split("#");
  if (there !== here && next.protocol.startsWith("http")) leave(next); // never to a javascript: URL
  else if (session || !findInPage("[data-live]")) location.reload();
  else return false;
  return true;
}
