// This script runs in pages in development. It follows the state of the application's
// source: it shows errors over the page, and reloads the page when there is a new version.
// A reload keeps the scroll position and the user's input in forms.
(() => {
  "use strict";

  const script = document.currentScript;
  if (!script || customElements.get("tower-dev")) return;
  let [version, styles] = script.dataset.version.split("+"); // versions of this page
  const submitted = "submitted" in script.dataset; // the page answers a form
  const { failure } = script.dataset; // why the page could not be rendered

  // Events

  let events;

  function follow() {
    events = new EventSource("/_tower/dev");
    events.addEventListener("building", () => panel.building());
    events.addEventListener("broken", (event) => panel.broken(JSON.parse(event.data)));
    events.addEventListener("ok", (event) => {
      if (failure) panel.broken(JSON.parse(failure));
      else panel.ok();
      compare(JSON.parse(event.data));
    });
    events.addEventListener("note", (event) => panel.note(JSON.parse(event.data)));
    events.addEventListener("reload", (event) => compare(JSON.parse(event.data)));
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) setTimeout(resume, 1000);
    });
  }

  function resume() {
    if (!document.hidden && events?.readyState !== EventSource.OPEN) {
      events?.close();
      follow();
    }
  }

  // Browsers limit the connections to a host: hidden pages close theirs.
  document.addEventListener("visibilitychange", () => (document.hidden ? events?.close() : resume()));

  function compare(now) {
    const [newest, restyled] = now.version.split("+");
    if (newest !== version) {
      if (submitted) panel.old();
      else reload();
    } else if (restyled !== styles) {
      styles = restyled;
      restyle();
    }
  }

  // restyle reloads the stylesheets of this site. Each replaces its previous version.
  function restyle() {
    for (const link of document.querySelectorAll('link[rel="stylesheet"]')) {
      const url = new URL(link.href);
      if (url.origin !== location.origin) continue;
      url.searchParams.set("styles", styles);
      const fresh = link.cloneNode();
      fresh.href = url.href;
      fresh.addEventListener("load", () => link.remove());
      fresh.addEventListener("error", () => fresh.remove());
      link.after(fresh);
    }
  }

  let composing = false;
  let waiting = false;
  addEventListener("compositionstart", () => (composing = true), true);
  addEventListener("compositionend", () => {
    composing = false;
    if (waiting) setTimeout(reload);
  }, true);

  function reload() {
    waiting = composing;
    if (waiting) return;
    events.close();
    saveInput();
    location.reload();
  }

  // User input that survives a reload

  const key = "tower.dev " + location.pathname + location.search;
  const maxAge = 10 * 60 * 1000;
  // Saved input that could not be restored yet: this page has no place for it.
  const unrestored = { fields: [], focus: null, scroll: null };

  // fields yields the fields for user input, each with an address that is the same after a
  // reload.
  function* fields() {
    const count = {};
    for (const field of document.querySelectorAll("input, textarea, select")) {
      if (/^(hidden|file|submit|button|image|reset)$/.test(field.type)) continue;
      const form = field.form ? field.form.id || field.form.getAttribute("action") : "";
      const choice = /^(checkbox|radio)$/.test(field.type) ? field.value : "";
      const address = [form, field.name || field.id, field.type, choice].join(" ");
      count[address] = (count[address] || 0) + 1;
      yield [address + " " + count[address], field];
    }
  }

  // edited returns the user's input in a field, or null if the field is unchanged.
  function edited(field) {
    if (/^(checkbox|radio)$/.test(field.type)) {
      return field.checked === field.defaultChecked ? null : { checked: field.checked };
    }
    if (field.options) {
      const options = [...field.options];
      const preset = options.some((option) => option.defaultSelected);
      const unchanged = options.every((option, index) =>
        option.selected === (preset || field.multiple ? option.defaultSelected : index === 0));
      return unchanged ? null : { selected: options.filter((option) => option.selected).map((option) => option.value) };
    }
    return field.value === field.defaultValue ? null : { value: field.value };
  }

  function saveInput() {
    const saved = { ...unrestored, fields: [...unrestored.fields], scroll: unrestored.scroll ?? [scrollX, scrollY] };
    for (const [address, field] of fields()) {
      const edit = edited(field);
      if (edit) saved.fields.push({ address, at: Date.now(), ...edit });
      if (field === document.activeElement) {
        saved.focus = { address, start: field.selectionStart, end: field.selectionEnd };
      }
    }
    write(saved);
  }

  function write(saved) {
    try {
      if (saved.fields.length || saved.focus || saved.scroll) sessionStorage.setItem(key, JSON.stringify(saved));
      else sessionStorage.removeItem(key);
    } catch {
      // Storage is off or full: the page reloads without the input.
    }
  }

  function restore() {
    try {
      Object.assign(unrestored, JSON.parse(sessionStorage.getItem(key)));
    } catch {
      return;
    }
    unrestored.fields = unrestored.fields.filter((field) => Date.now() - field.at < maxAge);
    restoreFields();
    restoreScroll();
    addEventListener("load", () => {
      restoreFields();
      restoreScroll();
    });
    if (!unrestored.fields.length) return;
    // Scripts may still add the fields.
    const observer = new MutationObserver(() => {
      restoreFields();
      if (!unrestored.fields.length) observer.disconnect();
    });
    observer.observe(document.documentElement, { childList: true, subtree: true });
    setTimeout(() => observer.disconnect(), 5000);
  }

  function restoreFields() {
    if (unrestored.fields.length || unrestored.focus) {
      const places = new Map(fields());
      unrestored.fields = unrestored.fields.filter((edit) => !fill(places.get(edit.address), edit));
      if (unrestored.focus && focus(places.get(unrestored.focus.address), unrestored.focus)) unrestored.focus = null;
    }
    write(unrestored);
  }

  function restoreScroll() {
    if (!unrestored.scroll) return;
    const [left, top] = unrestored.scroll;
    scrollTo({ left, top, behavior: "instant" });
    if (Math.abs(scrollY - top) < 2) unrestored.scroll = null;
    write(unrestored);
  }

  function fill(field, edit) {
    if (!field) return false;
    if ("checked" in edit) field.checked = edit.checked;
    else if ("selected" in edit) for (const option of field.options) option.selected = edit.selected.includes(option.value);
    else field.value = edit.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  function focus(field, { start, end }) {
    if (!field) return false;
    field.focus({ preventScroll: true });
    if (typeof start === "number") field.setSelectionRange(start, end);
    return true;
  }

  function recall(name) {
    try {
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  }

  function keep(name, value) {
    try {
      sessionStorage.setItem(name, value);
    } catch {
      // Storage is off or full: the note shows again.
    }
  }

  // Errors and notices

  const style = `
    :host { all: initial; --paper: #fff; --shade: #f5f4f1; --line: #e4e2dc; --ink: #23211d; --soft: #7b766c; --red: #b3372f; --mark: #fbeceb;
      font: 15px/1.5 system-ui, sans-serif; color: var(--ink); }
    @media (prefers-color-scheme: dark) {
      :host { --paper: #1b1c20; --shade: #232429; --line: #34363d; --ink: #e9e7e2; --soft: #969289; --red: #f08a80; --mark: #3a2626; }
    }
    [hidden] { display: none !important; }
    .veil { position: fixed; inset: 0; z-index: 2147483647; overflow: auto; overscroll-behavior: contain;
      padding: 6vh 16px; background: rgb(20 20 20 / .45); }
    .sheet { box-sizing: border-box; max-width: 54rem; margin: 0 auto; padding: 24px 28px; background: var(--paper);
      border: 1px solid var(--line); border-top: 3px solid var(--red); border-radius: 8px; box-shadow: 0 12px 48px rgb(0 0 0 / .25); }
    header { display: flex; align-items: baseline; gap: 12px; }
    h1 { flex: 1; margin: 0; font-size: 19px; font-weight: 600; }
    button { font: inherit; color: var(--soft); background: none; border: 1px solid var(--line); border-radius: 6px; padding: 2px 10px; cursor: pointer; }
    button:hover, button:focus-visible { color: var(--ink); border-color: var(--soft); }
    section { margin-top: 20px; }
    .place { font: 600 13px/1.5 ui-monospace, monospace; color: var(--red); overflow-wrap: anywhere; }
    .message { margin: 2px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
    .hint { margin: 6px 0 0; color: var(--soft); }
    .code { margin: 10px 0 0; padding: 10px 0; overflow-x: auto; background: var(--shade); border: 1px solid var(--line);
      border-radius: 6px; font: 13px/1.6 ui-monospace, monospace; tab-size: 4; }
    .code div { display: flex; white-space: pre; padding-right: 16px; min-width: max-content; }
    .code i { flex: none; box-sizing: border-box; width: 4.5em; padding-right: 1.2em; text-align: right; font-style: normal; color: var(--soft); user-select: none; }
    .code .at { background: var(--mark); }
    .code .caret { color: var(--red); font-weight: 700; }
    details { margin-top: 20px; color: var(--soft); }
    summary { cursor: pointer; }
    pre { margin: 10px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 12px/1.5 ui-monospace, monospace; color: var(--ink); }
    footer { margin-top: 20px; color: var(--soft); font-size: 13px; }
    .note .sheet { border-top-color: var(--soft); }
    .noted { bottom: 60px !important; }
    .pill { position: fixed; right: 16px; bottom: 16px; z-index: 2147483647; display: flex; gap: 10px; align-items: center; padding: 6px 14px;
      background: var(--paper); border: 1px solid var(--line); border-radius: 99px; box-shadow: 0 4px 16px rgb(0 0 0 / .15); font-size: 13px; color: var(--soft); }
  `;

  function make(tag, className, ...content) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...content);
    return element;
  }

  class Panel extends HTMLElement {
    #veil = make("div", "veil");
    #pill = make("div", "pill");
    #noted = make("div", "pill noted"); // that there is a note
    #timer;

    constructor() {
      super();
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(style);
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      this.#veil.hidden = this.#pill.hidden = this.#noted.hidden = true;
      this.#noted.setAttribute("role", "status");
      this.#pill.setAttribute("role", "status");
      root.append(this.#veil, this.#noted, this.#pill);
      addEventListener("keydown", (event) => {
        if (event.key === "Escape") this.#veil.hidden = true;
      });
    }

    building() {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#showPill("building …"), 300);
    }

    ok() {
      this.#hidePill();
      this.#veil.hidden = true;
    }

    old() {
      this.#hidePill();
      const button = make("button", "", "Load it");
      button.addEventListener("click", () => {
        saveInput();
        location.assign(location.href);
      });
      this.#showPill("There is a newer version of this page.", button);
    }

    broken(failure) {
      this.#hidePill();
      const sheet = this.#sheet(failure.title, failure.errors);
      if (failure.text) {
        const printed = make("details", "", make("summary", "", "Full output"), make("pre", "", failure.text));
        printed.open = !failure.errors.some((problem) => problem.source);
        sheet.append(printed);
      }
      sheet.append(make("footer", "", "This closes when the error is fixed. Your input is kept."));
      this.#veil.className = "veil";
      this.#veil.replaceChildren(sheet);
      this.#veil.hidden = false;
    }

    // note says that the models have changed, until the user hides it.
    note(note) {
      const hidden = "tower.dev note " + version.split(".")[0];
      this.#noted.hidden = !note || recall(hidden) === String(note.build);
      if (this.#noted.hidden) return;
      const show = make("button", "", "Show");
      show.addEventListener("click", () => {
        const lines = [...note.lines, ...(note.misfits ?? [])].map((message) => ({ message }));
        if (note.hint) lines[lines.length - 1].hint = note.hint;
        this.#veil.className = "veil note";
        this.#veil.replaceChildren(this.#sheet(note.title, lines));
        this.#veil.hidden = false;
      });
      const hide = make("button", "", "Hide");
      hide.addEventListener("click", () => {
        this.#noted.hidden = true;
        keep(hidden, String(note.build));
      });
      this.#noted.replaceChildren(note.title, show, hide);
    }

    #sheet(text, problems) {
      const close = make("button", "", "Hide");
      close.addEventListener("click", () => (this.#veil.hidden = true));
      const title = make("h1", "", text);
      title.id = "title";
      const sheet = make("div", "sheet", make("header", "", title, close), ...problems.map(section));
      sheet.setAttribute("role", "alertdialog");
      sheet.setAttribute("aria-labelledby", "title");
      return sheet;
    }

    #showPill(...content) {
      this.#pill.replaceChildren(...content);
      this.#pill.hidden = false;
    }

    #hidePill() {
      clearTimeout(this.#timer);
      this.#pill.hidden = true;
    }
  }

  function section(problem) {
    const part = make("section");
    if (problem.file) {
      part.append(make("div", "place", [problem.file, problem.line, problem.column].filter(Boolean).join(":")));
    }
    part.append(make("p", "message", problem.message));
    if (problem.hint) part.append(make("p", "hint", "→ " + problem.hint));
    if (problem.source) part.append(code(problem));
    return part;
  }

  function code(problem) {
    const block = make("div", "code");
    problem.source.forEach((text, index) => {
      const number = problem.from + index;
      const line = make("div", "", make("i", "", String(number)), text || " ");
      block.append(line);
      if (number !== problem.line) return;
      line.className = "at";
      if (!problem.column) return;
      // Columns count bytes.
      const before = new TextDecoder().decode(new TextEncoder().encode(text).slice(0, problem.column - 1));
      block.append(make("div", "at caret", make("i"), before.replace(/[^\t]/gu, " ") + "^"));
    });
    return block;
  }

  customElements.define("tower-dev", Panel);
  const panel = new Panel();
  document.documentElement.append(panel);
  restore();
  resume();
})();
