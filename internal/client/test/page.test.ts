import { livePage } from "../src/page/page";
import type { Store } from "../src/store/store";
import { after, equal, ok, seen, test } from "./runner";
import { accept, applied, newStore, online, state, type Link } from "./server";

const item = (id: string, text = id) => `<li data-id="${id}">${text}</li>`;

/** Adds a list to the document, as the server renders it at E:5. */
function list(ids: string, attributes = ""): HTMLElement {
  document.body.insertAdjacentHTML(
    "beforeend",
    `<ul data-cursor="posts.all" data-live="sealed" data-since="E:5" data-count="${ids.length}" ${attributes}>
      ${[...ids].map(id => item(id)).join("\n")}
    </ul>`,
  );
  return document.body.lastElementChild as HTMLElement;
}

/** Starts a live page whose first list is open with the number 18. */
async function live(): Promise<{ store: Store; link: Link }> {
  const { store, link } = await online();
  const root = document.documentElement;
  after(() => delete root.dataset.tower);
  livePage(store);
  link.send(unchanged(await link.expect({ live: "sealed", since: "E:5" })));
  await applied(store, link);
  return { store, link };
}

const unchanged = (id: number, cursor = 18, at = "E:5") => ({ id, status: 200, at, cursor, model: "posts", since: at, delta: {} });
const shown = (parent: Element) => [...parent.children].map(child => child.textContent).join("");

test("a page's list is resumed from where it was rendered", async () => {
  const ul = list("ab");
  const nodes = [...ul.children];
  const { store, link } = await live();
  link.send({
    seq: 6,
    cursors: {
      18: {
        leave: ["a"],
        enter: [{ id: "c", after: "", html: item("c") }, { id: "d", after: "b", html: `\n  ${item("d")}\n` }],
        change: [{ id: "b", html: item("b", "B") }],
      },
    },
  });
  await applied(store, link);
  equal([shown(ul), ul.dataset.count], ["cBd", "3"]);
  ok(ul.children[1] === nodes[1], "a changed element stays the same");

  link.send({ seq: 7, cursors: { 18: { change: [{ id: "d", after: "", html: item("d", "D") }] } } });
  link.send({ seq: 8, cursors: { 18: { leave: ["d", "c", "b"] } } });
  await applied(store, link);
  equal([shown(ul), ul.dataset.count], ["", "0"]);
  link.send({ seq: 9, cursors: { 18: { enter: [{ id: "z", after: "", html: item("z") }] } } });
  await applied(store, link);
  equal([shown(ul), ul.dataset.count], ["z", "1"]);
});

test("the focus stays near what a change removes", async () => {
  document.body.insertAdjacentHTML("beforeend", "<h2>Posts</h2>");
  const heading = document.body.lastElementChild!;
  const ul = list("abcd");
  document.body.insertAdjacentHTML("beforeend", "<h2>After it</h2><button>else</button>");
  const other = document.body.lastElementChild as HTMLElement;
  for (const row of ul.children) row.insertAdjacentHTML("beforeend", "<button>x</button>");
  const { store, link } = await live();
  const leaves = async (seq: number, id: string) => {
    link.send({ seq, cursors: { 18: { leave: [id] } } });
    await applied(store, link);
    return document.activeElement!;
  };
  ul.querySelectorAll("button")[1]!.focus();
  equal((await leaves(6, "b")).getAttribute("data-id"), "c");
  link.send({ seq: 7, cursors: { 18: { change: [{ id: "c", html: item("c", "C") }] } } });
  await applied(store, link);
  equal([document.activeElement!.getAttribute("data-id"), shown(ul)], ["c", "axCdx"]);
  other.focus();
  equal(ul.querySelectorAll("[tabindex]").length, 0);
  ok((await leaves(8, "c")) === other, "the focus is elsewhere, and stays there");
  ul.querySelectorAll("button")[1]!.focus();
  equal((await leaves(9, "d")).getAttribute("data-id"), "a");
  ul.querySelector("button")!.focus();
  link.send({ seq: 10, cursors: { 18: { change: [{ id: "a", html: item("a", "A") }] } } });
  await applied(store, link);
  equal(document.activeElement!.getAttribute("data-id"), "a");
  ok((await leaves(11, "a")) === heading, "without a row, the focus goes to the heading above");
  for (const element of [heading, other.previousElementSibling!, other]) element.remove();
});

test("a window moves: one record leaves, one enters at its end", async () => {
  const ul = list("cba");
  const { store, link } = await live();
  link.send({
    seq: 6,
    cursors: { 18: { leave: ["a"], enter: [{ id: "d", after: "", html: item("d") }] } },
  });
  link.send({ seq: 7, cursors: { 18: { leave: ["d"], enter: [{ id: "a", after: "b", html: item("a") }] } } });
  await applied(store, link);
  equal(shown(ul), "cba");
});

test("a full answer keeps existing elements and removes the others", async () => {
  const ul = list("abc");
  const [a, , c] = ul.children;
  ul.insertAdjacentHTML("afterbegin", "<li>heading</li>");
  const { store, link } = await live();
  link.drop();
  const next = await accept();
  await next.greet({ epoch: "F", seq: 3 });
  const id = await next.expect({ live: "sealed" });
  const items = ["c", "x", "a"].map(id => ({ id, html: item(id, id.toUpperCase()) }));
  next.send({ id, status: 200, at: "F:3", cursor: 2, model: "posts", resync: "epoch", items });
  await applied(store, next);
  equal([shown(ul), ul.dataset.count], ["headingCXA", "3"]);
  ok(ul.children[1] === c && ul.children[3] === a, "elements were replaced");
});

test("an edit in an item survives a change of the item, even a move", async () => {
  const ul = list("ab");
  const form = (id: string, value: string) => `<li data-id="${id}"><form><input name="title" value="${value}"></form></li>`;
  const { store, link } = await live();
  link.send({ seq: 6, cursors: { 18: { change: [{ id: "b", html: form("b", "old") }] } } });
  await applied(store, link);
  const input = ul.querySelector("input")!;
  input.focus();
  input.value = "mine";
  input.setSelectionRange(1, 3);
  link.send({ seq: 7, cursors: { 18: { change: [{ id: "b", after: "", html: form("b", "theirs") }] } } });
  await applied(store, link);
  equal(ul.firstElementChild!.getAttribute("data-id"), "b");
  ok(document.activeElement === input, "the focus was lost");
  equal([input.value, input.selectionStart, input.selectionEnd], ["mine", 1, 3]);
});

test("all lists of a message change before the page is drawn, and then the message is acknowledged", async () => {
  const [one, two] = [list("a"), list("b")];
  const { store, link } = await online();
  livePage(store);
  const first = await link.expect({ live: "sealed", since: "E:5" });
  const second = await link.expect({ live: "sealed", since: "E:5" });
  link.send([unchanged(first, 1), unchanged(second, 2)]);
  await applied(store, link);

  const turns: string[] = [];
  const observer = new MutationObserver(() => turns.push(`${shown(one)} ${shown(two)}`));
  after(() => observer.disconnect());
  observer.observe(document.body, { childList: true, subtree: true });
  link.send([
    { seq: 6, ack: true, cursors: { 1: { enter: [{ id: "x", after: "", html: item("x") }] } } },
    { seq: 7, ack: true, cursors: { 2: { enter: [{ id: "y", after: "b", html: item("y") }] } } },
  ]);
  equal([await link.next(), await link.next()], [{ applied: 6 }, { applied: 7 }]);
  equal([shown(one), shown(two)], ["xa", "by"]);
  equal(turns, ["xa by"], "intermediate states");
});

test("a new element is drawn once with data-entered", async () => {
  const ul = list("a");
  const { store, link } = await live();
  const marked: boolean[] = []; // after the turn, before drawing
  const observer = new MutationObserver(() => marked.push(...[...ul.children].map(child => child.hasAttribute("data-entered"))));
  after(() => observer.disconnect());
  observer.observe(ul, { childList: true });
  link.send({ seq: 6, cursors: { 18: { enter: [{ id: "b", after: "a", html: item("b") }], change: [{ id: "a", html: item("a", "A") }] } } });
  await applied(store, link);
  equal(marked, [false, true]);
  await seen(() => !ul.querySelector("[data-entered]"));
});

test("scripts in an item are not run", async () => {
  const ul = list("");
  const { store, link } = await live();
  const html = `<li data-id="a"><script>window.ran = true</script>a</li>`;
  link.send({ seq: 6, cursors: { 18: { enter: [{ id: "a", after: "", html }] } } });
  await applied(store, link);
  ok(ul.children.length === 1 && !("ran" in window), "the script ran");
});

test("the document shows whether it is online", async () => {
  list("a");
  const { dataset } = document.documentElement;
  const store = await newStore();
  after(() => delete dataset.tower);
  livePage(store);
  equal(dataset.tower, undefined, "before the first connection");
  const link = await accept();
  await link.greet();
  await state(store, ({ online }) => online);
  equal(dataset.tower, "online");
  link.drop();
  await state(store, ({ online }) => !online);
  equal(dataset.tower, "offline");
});

test("lists come and go with tower:refresh", async () => {
  const ul = list("a");
  const { store, link } = await live();
  link.send({ seq: 6, cursors: { 18: { change: [{ id: "a", html: item("a", "A") }] } } });
  await applied(store, link);

  ul.remove();
  document.dispatchEvent(new Event("tower:refresh"));
  await link.expect({ close: 18 });
  equal(ul.dataset.since, "E:6", "the element has the position to resume from");

  document.body.append(ul);
  document.dispatchEvent(new Event("tower:refresh"));
  document.dispatchEvent(new Event("tower:refresh"));
  link.send(unchanged(await link.expect({ live: "sealed", since: "E:6" }), 19, "E:6"));
  link.send({ seq: 7, cursors: { 19: { change: [{ id: "a", html: item("a", "AA") }] } } });
  await applied(store, link);
  equal(shown(ul), "AA");
});

test("a refused list is emptied if it is forbidden, and otherwise stays", async () => {
  const ul = list("ab");
  const warn = console.warn;
  const warnings: string[] = [];
  console.warn = (text: string) => warnings.push(text);
  after(() => (console.warn = warn));
  const { store, link } = await live();
  let next = link;
  for (const [status, left] of [[410, "ab"], [403, ""]] as const) {
    next.drop();
    next = await accept();
    await next.greet();
    const frame = await next.next();
    next.send({ id: frame.id, status, error: { code: "x", message: `no ${status}` } });
    await applied(store, next);
    equal(shown(ul), left);
  }
  equal(warnings, ["no 410", "no 403"].map(why => `tower: a part of this page is not live: ${why}`));
});

test("a page's value is kept as text", async () => {
  document.body.insertAdjacentHTML("beforeend", `<b data-cursor="posts.howMany" data-live="sealed" data-since="E:5" data-value>2</b>`);
  const element = document.body.lastElementChild as HTMLElement;
  const { store, link } = await online();
  after(() => delete document.documentElement.dataset.tower);
  livePage(store);
  link.send({ id: await link.expect({ live: "sealed", since: "E:5" }), status: 200, at: "E:6", cursor: 18, model: "posts", value: 3 });
  await applied(store, link);
  equal(element.textContent, "3");
  link.send({ seq: 7, cursors: { 18: { value: "<b>" } } });
  await applied(store, link);
  equal(element.innerHTML, "&lt;b&gt;");
  link.send({ seq: 8, cursors: { 18: { value: null } } });
  await applied(store, link);
  equal(element.textContent, "");
});
