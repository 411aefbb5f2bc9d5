// Regions of a page, and pages whose parts or user have ended.

import { connected, liveList, visit } from "./pages";
import { equal, ok, seen, test } from "./runner";
import { accept } from "./server";

const region = `<h1 data-region data-live="heading" data-since="E:0" class="x">One <input name="note"></h1>`;

/** Loads a page with a region, and opens it with the number 7. */
async function withRegion(html: string) {
  const { page, link } = await connected(html);
  const id = await link.expect({ live: "heading", since: "E:0" });
  link.send({ id, status: 200, at: "E:0", cursor: 7, since: "E:0", delta: {} });
  return { page, link };
}

test("a region changes with its commit, and keeps what the user has typed", async () => {
  const { page, link } = await withRegion(region);
  const heading = page.find("h1");
  const input = heading.querySelector("input")!;
  input.value = "typed";
  link.send({ seq: 1, cursors: { 7: { value: `<h1 class="y">Two <input name="note"></h1>` } } });
  await seen(() => heading.textContent === "Two ", page.document);
  equal([heading.className, heading.getAttribute("data-live"), input.value, input.isConnected], ["y", "heading", "typed", true]);
  link.send({ seq: 2, cursors: { 7: { value: `<h2>Three</h2>` } } });
  await seen(() => page.find("h2")?.textContent === "Three", page.document);
  link.send({ seq: 3, cursors: { 7: { value: `<h2>Four</h2>` } } });
  await seen(() => page.find("h2").textContent === "Four", page.document);
  equal([page.document.querySelectorAll("h1, h2").length, page.find("h2").getAttribute("data-live")], [1, "heading"]);
});

test("a region resumes from where it was, or gets all", async () => {
  const { page, link } = await withRegion(region);
  link.send({ seq: 4, cursors: { 7: { value: `<h1>Two</h1>` } } });
  await seen(() => page.find("h1").textContent === "Two", page.document);
  link.drop();
  const next = await accept();
  await next.greet({ seq: 6 });
  const id = await next.expect({ live: "heading", since: "E:4" });
  next.send({ id, status: 200, at: "E:6", cursor: 1, value: `<h1>Three</h1>` });
  await seen(() => page.find("h1").textContent === "Three", page.document);
});

const gone = { code: "not_found", message: "this is no longer here" };

test("a page of which a part has ended is loaded again", async () => {
  const { page, link } = await withRegion(region);
  const left = page.left();
  link.send({ seq: 1, cursors: { 7: { closed: gone } } });
  await left;
  const again = await accept();
  await again.greet();
  const id = await again.expect({ live: "heading", since: "E:0" });
  again.send({ id, status: 404, error: gone });
  await seen(() => page.find("[data-ended]") !== null, page.document);
  equal(page.find("[data-ended]").textContent, "This page is out of date: this is no longer here. Load it again", "it is loaded only once by itself");
});

test("a page in which the user has typed says what has ended, and waits", async () => {
  const { page, link } = await withRegion(`${region}<p data-ended hidden></p>`);
  page.find("input").value = "typed";
  link.send({ seq: 1, cursors: { 7: { closed: gone } } });
  await seen(() => !page.find("[data-ended]").hidden, page.document);
  equal([page.find("[data-ended]").textContent, page.document.querySelectorAll("[data-ended]").length], ["This page is out of date: this is no longer here. Load it again", 1]);
  const left = page.left();
  page.find("[data-ended] button").click();
  await left;
});

test("a page may handle the end of a part itself", async () => {
  const { page, link } = await withRegion(region);
  const codes: string[] = [];
  page.document.addEventListener("tower:ended", event => {
    codes.push((event as CustomEvent).detail.code);
    event.preventDefault();
    page.find("h1").textContent = "gone";
  });
  link.send({ seq: 1, cursors: { 7: { closed: gone } } });
  await seen(() => page.find("h1").textContent === "gone", page.document);
  equal(codes, ["not_found"]);
});

test("a list that may not be open for now ends no page", async () => {
  const { page, link } = await withRegion(region);
  link.send({ seq: 1, cursors: { 7: { closed: { code: "too_many", message: "too many" } } } });
  link.send({ seq: 2, cursors: {} });
  await new Promise<void>(resolve => page.window.tower.subscribe(({ seq }) => seq === 2 && resolve()));
  ok(page.find("[data-ended]") === null, "the page says that it has ended");
});

test("a page whose user has changed is loaded again", async () => {
  const { page, link } = await connected(liveList);
  link.drop();
  const left = page.left();
  const next = await accept();
  next.greet({ user: "bob" }).catch(() => {});
  await left;
  equal(page.window.location.pathname, page.path);
});

test("a page whose lists come from another run of the application says so", async () => {
  const unknown = { code: "bad_request", message: "its lists come from another run of the application" };
  const lists = [`<ul data-live="heading" data-since="E:0"></ul>`, `<b data-live="heading" data-since="E:0" data-value>2</b>`, region];
  for (const html of lists) {
    const page = await visit(`${html}<p data-ended hidden></p><input value="">`);
    page.find("input").value = "typed";
    const link = await accept();
    await link.greet();
    link.send({ id: await link.expect({ live: "heading", since: "E:0" }), status: 400, error: unknown });
    await seen(() => !page.find("[data-ended]").hidden, page.document);
    equal(page.find("[data-ended]").textContent, "This page is out of date: its lists come from another run of the application. Load it again");
  }
});
