import { pageDatabase, saved } from "./device";
import { connected, invalid, liveList, problems, visible, visit, type Page } from "./pages";
import { after, equal, ok, seen, test } from "./runner";
import { accept, ticket } from "./server";

test("the page's store is window.tower", async () => {
  const { page } = await connected(liveList);
  equal(page.window.tower.state.user, "ada");
});

test("a form is sent over the connection, and its problems appear beside the fields", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts">
    <input name="body" value="b & c"><input name="title"><input type="hidden" name="draft" value="false">
    <input type="checkbox" name="draft" value="true" checked>${problems}<button name="do" value="save">Save</button></form>`);
  const [form, button] = [page.find<HTMLFormElement>("form"), page.find<HTMLButtonElement>("button")];
  page.find("[name=body]").setAttribute("aria-invalid", "true");
  button.focus();
  button.click();
  const frame = { call: "POST /posts", form: "body=b+%26+c&title=&draft=false&draft=true&do=save" };
  const id = await link.expect(frame);
  equal([button.ariaDisabled, form.getAttribute("aria-busy")], ["true", "true"]);
  ok(page.document.activeElement === button, "the button has lost the focus");
  form.requestSubmit(); // not sent twice while it is being sent

  link.send(invalid(id, { title: ["is required", "is too short"], "": ["It is too late."] }));
  await seen(() => !button.ariaDisabled, page.document);
  await seen(() => visible(page).length === 2, page.document);
  equal(visible(page), ["title: is required", ": It is too late."]);
  equal([...page.document.querySelectorAll("[aria-invalid]")].map(field => field.getAttribute("name")), ["title"]);
  ok(page.document.activeElement === page.find("[name=title]"), "the field with the problem has no focus");
  ok(!form.hasAttribute("aria-busy"), "the form is still busy");

  button.click();
  link.send({ id: await link.expect(frame), status: 201, at: "E:1", location: page.path });
  await seen(() => visible(page).length === 0, page.document);
  equal(page.document.querySelectorAll("[aria-invalid]").length, 0);
});

test("a form that the server has rendered with problems leads to the first", async () => {
  const { page } = await connected(`<form method="post"><input name="a"><p data-problem="a" hidden></p><input name="b"><p data-problem="b">is required</p><button></button></form>`);
  equal([page.document.activeElement, page.find("[name=b]").ariaInvalid, page.find("[name=a]").ariaInvalid].map(it => (it as Element)?.tagName ?? it), ["INPUT", "true", null]);
  ok(page.document.activeElement === page.find("[name=b]"), "the focus is elsewhere");
});

test("a problem of a field without a place appears for the whole form", async () => {
  const { page, link } = await connected(`<form method="post"><p data-problem="" hidden></p><button></button></form>`);
  page.find("button").click();
  link.send(invalid(await link.expect({ call: `POST ${page.path}`, form: "" }), { title: ["is required"] }));
  await seen(() => visible(page).length === 1, page.document);
  equal(visible(page), [": title is required"]);
});

test("an error appears for the whole form, or the browser submits the form", async () => {
  const error = { code: "conflict", message: "Someone else was faster." };
  const { page, link } = await connected(`<form id="shown" method="post" action="/pages/a"><p data-problem="" hidden></p><button></button></form>
    <form id="native" method="post" action="/pages/b?x=1"><input name="t" value="v"><button name="do" value="it"></button></form>`);
  page.find("#shown button").click();
  link.send({ id: await link.expect({ call: "POST /pages/a", form: "" }), status: 409, error });
  await seen(() => visible(page).length === 1, page.document);
  equal(visible(page), [`: ${error.message}`]);

  page.find("#native button").click();
  const left = page.left();
  link.send({ id: await link.expect({ call: "POST /pages/b", form: "x=1&t=v&do=it" }), status: 409, error });
  await left;
  equal(page.find("#posted").textContent, "/pages/b?x=1 t=v&do=it");
});

test("the action's query has the method, and fields", async () => {
  const { page, link } = await connected(`<form method="post" action="/posts/a%20b?_method=patch&x=1#y"><input name="t" value="v"><p data-problem=""></p><button></button></form>
    <form method="get"><button id="remove" formmethod="post" formaction="/posts/b?_method=DELETE"></button></form>`);
  page.find("button").click();
  link.send({ id: await link.expect({ call: "PATCH /posts/a%20b", form: "x=1&t=v" }), status: 409, error: { code: "conflict", message: "No." } });
  page.find("#remove").click();
  await link.expect({ call: "DELETE /posts/b", form: "" });
});

test("a refused deletion shows the server's words beside its button, and the record stays", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts/a?_method=DELETE"><p data-problem="" hidden></p><button></button></form>`);
  page.find("button").click();
  const error = { code: "conflict", message: "other records refer to it; delete or change them first" };
  link.send({ id: await link.expect({ call: "DELETE /posts/a", form: "" }), status: 409, error });
  await seen(() => page.find("p").textContent === error.message && !page.find("p").hidden, page.document);
  ok(!page.find("form").hasAttribute("aria-busy"), "it can be sent again");
});

test("success navigates to the location of the answer", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts"><button></button></form>`);
  await fetch("/pages/next", { method: "PUT", body: "<!doctype html><p>next" });
  page.find("button").click();
  const left = page.left();
  link.send({ id: await link.expect({ call: "POST /posts", form: "" }), status: 201, location: "/pages/next?from=form" });
  await left;
  equal(page.window.location.pathname + page.window.location.search, "/pages/next?from=form");
});

test("a form that needs a user leads to the page where one signs in, and names the way back", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts"><button></button></form>`);
  await fetch("/pages/door", { method: "PUT", body: "<!doctype html><p>sign in" });
  page.find("button").click();
  const left = page.left();
  const error = { code: "unauthenticated", message: "sign in to write" };
  link.send({ id: await link.expect({ call: "POST /posts", form: "" }), status: 401, error, location: "/pages/door" });
  await left;
  equal(page.window.location.pathname + page.window.location.search, `/pages/door?return=${encodeURIComponent(page.path)}`);
});

test("a wrong sign-in shows its problem on the page where one signs in", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/door"><p data-problem="" hidden></p><button></button></form>`);
  page.find("button").click();
  const error = { code: "unauthenticated", message: "the password is wrong" };
  link.send({ id: await link.expect({ call: "POST /door", form: "" }), status: 401, error, location: page.path });
  await seen(() => page.find("p").textContent === "the password is wrong", page.document);
});

test("a live page that the answer leads to stays, with an empty form", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts"><input name="t" value=""><button></button></form>`);
  const input = page.find("input");
  input.value = "first";
  page.find("button").click();
  link.send({ id: await link.expect({ call: "POST /posts", form: "t=first" }), status: 201, location: `${page.path}#here` });
  await seen(() => !page.find("form").hasAttribute("aria-busy"), page.document);
  equal(input.value, "");

  input.value = "second";
  page.find("button").click();
  const id = await link.expect({ call: "POST /posts", form: "t=second" });
  input.value = "second and already the third";
  link.send({ id, status: 201, location: page.path });
  await seen(() => !page.find("form").hasAttribute("aria-busy"), page.document);
  equal(input.value, "second and already the third");
});

test("changes in place are not undone", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts/a?_method=PATCH"><input name="t" value="old"><button></button></form>`);
  page.find("input").value = "new";
  page.find("button").click();
  link.send({ id: await link.expect({ call: "PATCH /posts/a", form: "t=new" }), status: 200 });
  await seen(() => !page.find("form").hasAttribute("aria-busy"), page.document);
  equal(page.find("input").value, "new");
});

test("a page that is not live reloads to show changes", async () => {
  const { page, link } = await connected(`<form method="post" action="/settings"><button></button></form>`);
  page.find("button").click();
  const left = page.left();
  link.send({ id: await link.expect({ call: "POST /settings", form: "" }), status: 200, location: page.path });
  await left;
  equal(page.window.location.pathname, page.path);
});

test("signing in stores the session before navigating", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/session"><button></button></form>`);
  page.find("button").click();
  const left = page.left();
  const id = await link.expect({ call: "POST /session", form: "" });
  link.send({ id, status: 200, location: page.path, session: "ticket" });
  equal(await ticket(), "text/plain;charset=UTF-8 ticket");
  await left;
  equal(page.window.location.pathname, page.path);
});

for (const when of ["before the session is stored", "before the next page is here"]) {
  test(`a form that signs out leads where its answer says, though the page learns ${when} that the user has changed`, async () => {
    const { page, link } = await connected(`${liveList}<form method="post" action="/session"><button></button></form>`);
    const next = `${page.path}/out`;
    let stored!: (response: Response) => void;
    const { fetch: send } = page.window;
    page.window.fetch = (...call) => (call[0] === "/_tower/session" ? new Promise(resolve => (stored = resolve)) : send(...call));
    const visitor = () => new Promise<void>(resolve => page.window.tower.subscribe(({ user }) => user === "" && resolve()));

    page.find("button").click();
    const left = page.left();
    link.send({ id: await link.expect({ call: "POST /session", form: "" }), status: 303, location: next, session: "ticket" });
    await seen(() => stored !== undefined, page.document);
    if (when === "before the session is stored") {
      link.move({ user: "" });
      await visitor();
    }
    stored(new Response(null, { status: 204 }));
    await (await accept()).greet({ user: "" });
    await visitor();
    await fetch(next, { method: "PUT", body: "<!doctype html><p>signed out" });
    await left;
    equal(page.window.location.pathname, next);
  });
}

test("a form that loses its connection is sent again, as the same call", async () => {
  const { page, link } = await connected(`<form method="post" action="/posts"><p data-problem="" hidden></p><button></button></form>`);
  page.find("button").click();
  const lost = await link.next();
  link.drop();
  await link.ended;
  const next = await accept();
  ok(page.find("button").matches("[aria-disabled=true]"), "the button is enabled while the form is being sent");
  await next.greet();
  const again = await next.next();
  equal([again.call, again.form, again.key], [lost.call, lost.form, lost.key]);
  next.send({ id: again.id, status: 409, error: { code: "conflict", message: "No." } });
  await seen(() => visible(page).length === 1, page.document);
  ok(!page.find("button").matches("[aria-disabled=true]"), "the button is still disabled");
});

test("a form is not sent again as another user", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts"><button></button></form>`);
  page.find("button").click();
  await link.next();
  const left = page.left();
  link.drop();
  await (await accept()).greet({ user: "bob" });
  await left;
});

test("fields named like a form's own properties cause no trouble", async () => {
  const names = ["action", "method", "target", "reset", "requestSubmit", "dataset", "elements", "submit"];
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts">
    ${names.map(name => `<input name="${name}" value="1">`).join("")}<button></button></form>`);
  page.find("[name=reset]").value = "2";
  page.find("button").click();
  const fields = names.map(name => `${name}=${name === "reset" ? 2 : 1}`).join("&");
  link.send({ id: await link.expect({ call: "POST /posts", form: fields }), status: 200 });
  await seen(() => !page.find("form").hasAttribute("aria-busy"), page.document);
  equal(page.find("[name=reset]").value, "1");
});

test("the browser submits forms that are not for the connection", async () => {
  const { page } = await connected(`
    <form method="get"></form>
    <form></form>
    <form method="post" data-tower="off"></form>
    <form method="post" enctype="multipart/form-data"></form>
    <form method="post" target="_blank"></form>
    <form method="post" action="https://example.com/"></form>
    <form method="post" onsubmit="event.preventDefault()"></form>
    <form method="post"><button formenctype="multipart/form-data"></button></form>`);
  const sent = page.window.WebSocket.prototype;
  const send = sent.send;
  after(() => (sent.send = send));
  const frames: string[] = [];
  sent.send = (frame: string) => frames.push(frame);
  const taken: boolean[] = [];
  page.window.addEventListener("submit", event => {
    taken.push(event.defaultPrevented);
    event.preventDefault();
  });
  for (const form of page.document.forms) form.requestSubmit(form.querySelector("button"));
  equal(taken, [false, false, false, false, false, false, true, false]);
  equal(frames, []);
});

test("a page that the site refuses says so, and why", async () => {
  for (const code of [4403, 4421]) {
    const page = await visit(`<p data-ended hidden></p><form method="post" action="/posts"><p data-problem="" hidden></p><button></button></form>`);
    page.find("button").click();
    const link = await accept();
    link.close(code, "members only.");
    const why = "the site refuses the connection: members only";
    await seen(() => visible(page).length === 1, page.document);
    equal([visible(page), page.find("[data-ended]").firstChild!.textContent], [[`: ${why}`], `This page is out of date: ${why}. `]);
    equal(page.window.tower.state.closed, { code, reason: "members only." });
    ok(page.find("form button").matches("[aria-disabled=true]"), "the form does not wait any more");

    const next = await accept();
    await next.greet();
    const id = await next.expect({ call: "POST /posts", form: "" });
    equal([visible(page), page.find("[data-ended]").hidden], [[], true]);
    next.send(invalid(id, { "": ["It is too late."] }));
    await seen(() => visible(page).length === 1, page.document);
    equal(visible(page), [": It is too late."]);
    await saved(0, pageDatabase);
    page.remove();
  }
});

test("a form that waits in the list of unsent ones says why the site refuses it", async () => {
  const page = await visit(`<form method="post" action="/posts"><input name="t" value="v"><button></button></form>
    <ul data-outbox><template><li><b data-text></b><i data-wrong></i></li></template></ul>`);
  page.find("button").click();
  (await accept()).close(4403, "members only");
  await seen(() => page.find("li i")?.textContent === "the site refuses the connection: members only", page.document);
  equal(page.find("li").dataset.state, "waiting");
});

/** Puts files into a box. */
function choose(page: Page, selector: string, ...names: string[]): void {
  const files = new page.window.DataTransfer();
  for (const name of names) files.items.add(new page.window.File(["x"], name));
  page.find(selector).files = files.files;
}

test("a form sends the fields that the browser would send", async () => {
  const fields = `<input name="a" value="1 &amp; 2"><textarea name="lines">\n\nx</textarea><input name="off" value="x" disabled>
    <fieldset disabled><input name="within" value="x"></fieldset><input type="checkbox" name="box" value="1" checked><input type="checkbox" name="box" value="2">
    <input type="hidden" name="_charset_"><input name="dir" dirname="dir.is" value="v"><select name="many" multiple><option selected>p</option><option selected>q</option></select>
    <input type="file" name="none"><input type="file" name="several" multiple><input type="file" name="unused" disabled><input type="text" value="no name">
    <button name="other" value="x">Other</button><datalist><input name="listed" value="x"></datalist>`;
  const submitters = [
    `<button id="it">Plain</button>`,
    `<button id="it" name="do" value="save">Save</button>`,
    `<input id="it" type="submit" name="do" value="Send">`,
    `<input id="it" type="image" name="picture" alt="Send">`,
    `<input id="it" type="image" alt="Send">`,
    `<button id="it" name="do" value="" formaction="/pages/posted?_method=patch&x=1">Elsewhere</button>`,
    `<button id="it" formaction="">Here</button>`,
  ];
  for (const submitter of submitters) {
    const html = (attributes: string) => `<form method="post" action="/pages/posted?q=1" ${attributes}>${fields}${submitter}<p data-problem=""></p></form>`;
    const { page: native } = await connected(html(`data-tower="off"`));
    choose(native, "[name=unused]", "a.txt");
    const left = native.left();
    native.find("#it").click();
    await left;
    const [address, body] = native.find("#posted").textContent!.split(" ") as [string, string];
    const { page, link } = await connected(html(""));
    choose(page, "[name=unused]", "a.txt");
    page.find("#it").click();
    const sent = await link.next();
    const { pathname, searchParams } = new URL(address, location.href);
    const method = (searchParams.get("_method") ?? "POST").toUpperCase();
    searchParams.delete("_method");
    const path = submitter.includes(`formaction=""`) ? page.path : pathname;
    const unified = (form: string) => [...new URLSearchParams(form)].map(([name, value]) => [name, value.replaceAll("\r\n", "\n")]);
    equal([sent.call, unified(sent.form)], [`${method} ${path}`, [...searchParams, ...unified(body)]], submitter);
    link.send({ id: sent.id, status: 409, error: { code: "conflict", message: "No." } });
    await seen(() => page.find("p").textContent === "No.", page.document);
    await saved(0, pageDatabase);
    native.remove();
    page.remove();
  }
});

test("a form that cannot send a chosen file says so at its box", async () => {
  const { page, link } = await connected(`<form method="post" action="/posts"><input type="file" name="photo" multiple>
    <input type="file" name="other"><p data-problem="photo" hidden></p><p data-problem="other" hidden></p><button></button></form>
    <form id="plain" method="post" action="/posts"><input type="file" name="photo"><button></button></form>`);
  const problem = `is a file, which this form cannot send; it needs enctype="multipart/form-data"`;
  choose(page, "[name=photo]", "a.png", "b.png");
  page.find("button").click();
  equal(visible(page), [`photo: ${problem}`]);
  equal(page.find("[name=photo]").getAttribute("aria-invalid"), "true");
  choose(page, "#plain [name=photo]", "a.png");
  page.find("#plain button").click();
  equal(page.find("#plain [name=photo]").validationMessage, `photo ${problem}`);
  page.find("#plain [name=photo]").dispatchEvent(new Event("input"));
  equal(page.find("#plain [name=photo]").validationMessage, "");

  choose(page, "[name=photo]");
  page.find("button").click();
  link.send({ id: await link.expect({ call: "POST /posts", form: "photo=&other=" }), status: 409, error: { code: "conflict", message: "No." } });
});
