// Forms without a connection.

import { saved } from "./device";
import { connected, invalid, visible, type Page } from "./pages";
import { equal, ok, seen, test } from "./runner";
import { accept, refuse, type Link } from "./server";

const box = `<ul data-outbox><template><li><b data-text></b> <i data-wrong></i> <a data-edit>change</a> <button type="button" data-discard>discard</button></li></template></ul>`;
const postForm = `<form method="post" action="/posts"><input name="title"><input type="checkbox" name="draft" value="yes"><p data-problem="title" hidden></p><p data-problem="" hidden></p><button id="send">Create</button></form>`;

const listed = (page: Page) =>
  [...page.document.querySelectorAll<HTMLElement>("[data-outbox] [data-state]")].map(item => `${item.dataset.state}: ${item.querySelector("[data-text]")!.textContent}`);

/** Opens a page and breaks its connection. */
async function cutOff(html: string): Promise<{ page: Page }> {
  const { page, link } = await connected(html);
  await refuse(true);
  link.drop();
  await seen(() => page.document.documentElement.dataset.tower === "offline", page.document);
  return { page };
}

/** Lets a page connect again. */
async function back(page: Page, change = {}): Promise<Link> {
  await refuse(false);
  page.window.dispatchEvent(new Event("online"));
  const link = await accept();
  await link.greet(change);
  return link;
}

test("without a connection, a form is stored and listed as waiting until it is sent", async () => {
  const { page } = await cutOff(`${box}${postForm}`);
  page.find("[name=title]").value = "Hello";
  page.find("#send").click();
  ok(page.find("#send").matches("[aria-disabled=true]"), "the form is busy immediately");
  await seen(() => listed(page).length === 1, page.document);
  equal([listed(page), page.find("[name=title]").value, page.find("#send").matches("[aria-disabled=true]")], [["waiting: Hello"], "", false]);

  const link = await back(page);
  link.send({ id: await link.expect({ call: "POST /posts", form: "title=Hello" }), status: 201, location: "/elsewhere" });
  await seen(() => listed(page).length === 0, page.document);
  ok(page.window.location.pathname === page.path, "a user who moved on is not navigated");
});

test("a form that is refused later is filled in again, with its problems", async () => {
  const { page } = await cutOff(`${box}${postForm}`);
  page.find("[name=title]").value = "x";
  page.find("[name=draft]").checked = true;
  page.find("#send").click();
  await seen(() => listed(page).length === 1, page.document);
  page.find("[name=draft]").checked = false; // as a page that is not live resets it
  const link = await back(page);
  link.send(invalid(await link.expect({ call: "POST /posts", form: "title=x&draft=yes" }), { title: ["is too short"] }));
  await seen(() => visible(page).length === 1, page.document);
  equal([visible(page), listed(page)], [["title: is too short"], ["refused: x"]]);
  equal([page.find("[name=title]").value, page.find("[name=draft]").checked], ["x", true]);
  equal(page.find<HTMLAnchorElement>("[data-edit]").getAttribute("href"), page.path);
  equal(page.find("[data-wrong]").textContent, "title is too short");

  page.find("[name=title]").value = "longer";
  page.find("#send").click();
  const again = await link.expect({ call: "POST /posts", form: "title=longer&draft=yes" });
  equal(listed(page), [], "a form that is sent again leaves the list");
  link.send({ id: again, status: 409, error: { code: "conflict", message: "No." } });
  await seen(() => visible(page).join() === ": No.", page.document);
});

test("a refused form does not overwrite edits, and can be discarded", async () => {
  const { page } = await cutOff(`${box}${postForm}`);
  page.find("[name=title]").value = "x";
  page.find("#send").click();
  await seen(() => listed(page).length === 1, page.document);
  page.find("[name=title]").value = "another";
  const link = await back(page);
  link.send(invalid(await link.expect({ call: "POST /posts", form: "title=x" }), { title: ["is too short"] }));
  await seen(() => listed(page).join() === "refused: x", page.document);
  equal([page.find("[name=title]").value, visible(page)], ["another", []]);
  page.find("[data-discard]").click();
  await seen(() => listed(page).length === 0, page.document);
});

test("the next page also lists waiting and refused forms", async () => {
  const { page } = await cutOff(`${box}${postForm}`);
  page.find("[name=title]").value = "x";
  page.find("#send").click();
  await seen(() => listed(page).length === 1, page.document);
  let loaded = page.left();
  page.window.location.reload();
  await loaded;
  await seen(() => listed(page).join() === "waiting: x", page.document);

  const link = await back(page);
  link.send(invalid(await link.expect({ call: "POST /posts", form: "title=x" }), { title: ["is too short"] }));
  await seen(() => visible(page).length === 1, page.document);
  await saved(1, `tower ws://${location.host}/_tower/socket`, ({ error }) => error);
  loaded = page.left();
  page.window.location.reload();
  await loaded;
  await (await accept()).greet();
  await seen(() => visible(page).length === 1, page.document);
  equal([page.find("[name=title]").value, listed(page)], ["x", ["refused: x"]]);
});

test("forms with a password or data-tower=now, and pages without a list, wait for the connection", async () => {
  const { page } = await cutOff(`${box}
    <form id="secret" method="post" action="/session"><input type="password" name="p" value="1"><button></button></form>
    <form id="now" method="post" action="/now" data-tower="now"><button></button></form>`);
  page.find("#secret button").click();
  page.find("#now button").click();
  const link = await back(page);
  await link.expect({ call: "POST /session", form: "p=1" });
  await link.expect({ call: "POST /now", form: "" });
  equal([listed(page), page.window.tower.state.pending], [[], 0]);

  const other = await cutOff(postForm);
  other.page.find("#send").click();
  const next = await back(other.page);
  const id = await next.expect({ call: "POST /posts", form: "title=" });
  ok(other.page.find("#send").matches("[aria-disabled=true]"), "the form waits");
  next.send({ id, status: 409, error: { code: "conflict", message: "No." } });
  await seen(() => visible(other.page).length === 1, other.page.document);
});
