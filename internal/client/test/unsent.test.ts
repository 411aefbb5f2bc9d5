// Forms without a connection.

import { saved } from "./device";
import { connected, invalid, visible, type Page } from "./pages";
import { equal, ok, seen, test } from "./runner";
import { accept, refuse, type Link } from "./server";

const box = `<ul data-outbox><template><li><b data-text></b> <i data-wrong></i> <a data-edit>change</a> <button type="button" data-discard>discard</button></li></template></ul>`;
const postForm = `<form method="post" action="/posts"><input name="title"><input type="checkbox" name="draft" value="yes"><p data-problem="title" hidden></p><p data-problem="" hidden></p><button id="send">Create</button></form>`;

const listed = (page: Page) =>
  [...page.document.querySelectorAll<HTMLElement>("[data-outbox] [data-state]")].map(item => `${item.dataset.state}: ${item.querySelector("[data-text]")!.textContent}`);

/** A page that has lost its connection. */
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

test("without a connection a form is taken, and shown as waiting until it has been sent", async () => {
  const { page } = await cutOff(`${box}${postForm}`);
  page.find("[name=title]").value = "Hello";
  page.find("#send").click();
  ok(page.find("#send").matches(":disabled"), "it is busy at once");
  await seen(() => listed(page).length === 1, page.document);
  equal([listed(page), page.find("[name=title]").value, page.find("#send").matches(":disabled")], [["waiting: Hello"], "", false]);

  const link = await back(page);
  link.send({ id: await link.expect({ call: "POST /posts", form: "title=Hello" }), status: 201, location: "/elsewhere" });
  await seen(() => listed(page).length === 0, page.document);
  ok(page.window.location.pathname === page.path, "a reader who went on is not taken away");
});

test("what is refused later comes back into its form, with its problems", async () => {
  const { page } = await cutOff(`${box}${postForm}`);
  page.find("[name=title]").value = "x";
  page.find("[name=draft]").checked = true;
  page.find("#send").click();
  await seen(() => listed(page).length === 1, page.document);
  page.find("[name=draft]").checked = false; // as it has been reset in a page that is not live
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
  equal(listed(page), [], "sent anew, it is off the list");
  link.send({ id: again, status: 409, error: { code: "conflict", message: "No." } });
  await seen(() => visible(page).join() === ": No.", page.document);
});

test("what is refused does not overwrite what is being put in, and can be given up", async () => {
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

test("what waits, or was refused, is shown by the next page as well", async () => {
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
  await saved(1, `tower ws://${location.host}/_tower/socket`, kept => kept.error);
  loaded = page.left();
  page.window.location.reload();
  await loaded;
  await (await accept()).greet();
  await seen(() => visible(page).length === 1, page.document);
  equal([page.find("[name=title]").value, listed(page)], ["x", ["refused: x"]]);
});

test("a form with a password, one that says so, and a page without an outbox wait for the connection", async () => {
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
  ok(other.page.find("#send").matches(":disabled"), "it waits");
  next.send({ id, status: 409, error: { code: "conflict", message: "No." } });
  await seen(() => visible(other.page).length === 1, other.page.document);
});
