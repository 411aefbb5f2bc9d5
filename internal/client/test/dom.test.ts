// What a page's own names and namespaces must not break.

import { livePage } from "../src/page/page";
import { morph } from "../src/page/morph";
import { parseWithin } from "../src/page/dom";
import { connected, liveList } from "./pages";
import { after, equal, ok, seen, takeReported, test } from "./runner";
import { applied, online } from "./server";

const { setAttribute } = Element.prototype;

/** Adds a live list to the document, and opens it with the number 18 at seq 5. */
async function live(html: string, selector: string) {
  document.body.insertAdjacentHTML("beforeend", html);
  const list = document.body.querySelector(selector)!;
  setAttribute.call(list, "data-live", "sealed");
  setAttribute.call(list, "data-since", "E:5");
  const { store, link } = await online();
  after(() => delete document.documentElement.dataset.tower);
  livePage(store);
  const id = await link.expect({ live: "sealed", since: "E:5" });
  link.send({ id, status: 200, at: "E:5", cursor: 18, model: "posts", since: "E:5", delta: {} });
  await applied(store, link);
  let seq = 5;
  const send = async (delta: object) => {
    link.send({ seq: ++seq, cursors: { 18: delta } });
    await applied(store, link);
  };
  return { list, store, link, send };
}

const svg = "http://www.w3.org/2000/svg";
const math = "http://www.w3.org/1998/Math/MathML";
const xhtml = "http://www.w3.org/1999/xhtml";

for (const [html, selector, item, kind] of [
  ["<svg></svg>", "svg", `<circle data-id="a" r="3"><title>x</title></circle>`, `${svg} circle`],
  ["<svg><g></g></svg>", "g", `<a data-id="a" href="/"><text>t</text></a>`, `${svg} a`],
  ["<svg><defs></defs></svg>", "defs", `<linearGradient data-id="a"></linearGradient>`, `${svg} linearGradient`],
  ["<svg><foreignObject></foreignObject></svg>", "foreignObject", `<p data-id="a">t</p>`, `${xhtml} P`],
  ["<math></math>", "math", `<mrow data-id="a"><mi>x</mi></mrow>`, `${math} mrow`],
  ["<table><tbody></tbody></table>", "tbody", `<tr data-id="a"><td>1</td></tr>`, `${xhtml} TR`],
  ["<table><tr></tr></table>", "tr", `<td data-id="a">1</td>`, `${xhtml} TD`],
  ["<table><colgroup></colgroup></table>", "colgroup", `<col data-id="a">`, `${xhtml} COL`],
  ["<table></table>", "table", `<tbody data-id="a"><tr><td>1</td></tr></tbody>`, `${xhtml} TBODY`],
  ["<select></select>", "select", `<option data-id="a" value="1">One</option>`, `${xhtml} OPTION`],
  ["<select></select>", "select", `<optgroup data-id="a" label="l"><option>One</option></optgroup>`, `${xhtml} OPTGROUP`],
  ["<select><optgroup></optgroup></select>", "optgroup", `<option data-id="a">One</option>`, `${xhtml} OPTION`],
  ["<datalist></datalist>", "datalist", `<option data-id="a" value="1">`, `${xhtml} OPTION`],
  ["<picture></picture>", "picture", `<source data-id="a" srcset="data:,">`, `${xhtml} SOURCE`],
  ["<dl></dl>", "dl", `<div data-id="a"><dt>t</dt><dd>d</dd></div>`, `${xhtml} DIV`],
  ["<ul></ul>", "ul", `<!-- c --> <li data-id="a">x</li>`, `${xhtml} LI`],
] as const) {
  test(`an item of ${html} is parsed where it will stand: ${item}`, async () => {
    const { list, send } = await live(html, selector);
    await send({ enter: [{ id: "a", after: "", html: item }] });
    const first = list.querySelector("[data-id]")!;
    ok(first, "nothing entered");
    equal([`${first.namespaceURI} ${first.nodeName}`, first.parentNode === list], [kind, true]);
    await send({ change: [{ id: "a", html: item.replace(`data-id="a"`, `data-id="a" class="b"`) }] });
    equal([first.isConnected, first.getAttribute("class")], [true, "b"]);
    await send({ enter: [{ id: "b", after: "a", html: item.replace(`data-id="a"`, `data-id="b"`) }], leave: ["a"] });
    equal([...list.querySelectorAll("[data-id]")].map(item => item.getAttribute("data-id")), ["b"]);
  });
}

test("rows of a list that is the table itself stand in its body", async () => {
  const row = (id: string, text = id) => `<tr data-id="${id}"><td>${text}</td></tr>`;
  const { list, send } = await live(`<table><thead><tr><th>h</th></tr></thead>${row("b")}</table>`, "table");
  const text = () => [...(list as HTMLTableElement).tBodies].map(body => body.textContent);
  await send({ enter: [{ id: "a", after: "", html: row("a") }, { id: "c", after: "b", html: row("c") }] });
  equal(text(), ["abc"]);
  await send({ change: [{ id: "a", after: "c", html: row("a", "A") }], leave: ["b"] });
  equal([text(), list.getAttribute("data-count")], [["cA"], "2"]);
  await send({ leave: ["a", "c"] });
  await send({ enter: [{ id: "d", after: "", html: row("d") }] });
  equal(text(), ["d"]);
});

test("an SVG link is not taken for an HTML link", () => {
  document.body.innerHTML = "<div></div>";
  const parent = document.body.firstElementChild!;
  const drawing = parseWithin(parent, `<svg><a href="/x"></a></svg>`)!;
  equal(drawing.firstElementChild!.namespaceURI, svg);
  parent.append(drawing);
  morph(drawing, parseWithin(parent, `<svg xmlns:xlink="http://www.w3.org/1999/xlink"><use xlink:href="#x"/></svg>`)!);
  equal(drawing.firstElementChild!.getAttributeNS("http://www.w3.org/1999/xlink", "href"), "#x");
});

/** The names of all members of an object's kind. */
function members(of: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = of; at; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  return [...names].filter(name => /^[a-zA-Z]+$/.test(name));
}

test("a form may have fields of any name, as a row and within one", async () => {
  const names = members(HTMLFormElement.prototype);
  ok(names.length > 250 && names.includes("attributes") && names.includes("id"), `only ${names.length} names`);
  const form = (id: string, value: string) =>
    `<form data-id="${id}" class="${value}">${names.map(name => `<input name="${name}" value="${value}">`).join("")}<b>${value}</b></form>`;
  const { list, send } = await live("<div></div>", "div");
  await send({ enter: [{ id: "a", after: "", html: form("a", "1") }, { id: "b", after: "a", html: `<section data-id="b">${form("x", "1")}</section>` }] });
  const old = [...list.children];
  await send({ change: [{ id: "a", after: "b", html: form("a", "2") }, { id: "b", html: `<section data-id="b">${form("x", "2")}</section>` }] });
  ok(list.children[0] === old[1] && list.children[1] === old[0], "rows were replaced");
  equal([...list.querySelectorAll("b")].map(b => b.textContent), ["2", "2"]);
  equal([...list.querySelectorAll("form")].map(f => Element.prototype.getAttribute.call(f, "class")), ["2", "2"]);
  ok([...list.querySelectorAll("input")].every(input => input.value === "2"), "a field has an old value");
  await send({ leave: ["a"] });
  equal(list.children.length, 1);
});

test("a list may be a form with fields of any name", async () => {
  const fields = members(HTMLFormElement.prototype).map(name => `<input name="${name}">`).join("");
  const { list, send } = await live(`<form>${fields}</form>`, "form");
  await send({ enter: [{ id: "a", after: "", html: `<p data-id="a">a</p>` }] });
  equal(Element.prototype.querySelector.call(list, "p")?.textContent, "a");
  await send({ leave: ["a"] });
  equal(Element.prototype.querySelector.call(list, "p"), null);
});

test("images of a page may have any name", async () => {
  const { page, link } = await connected(`${liveList}<form method="post" action="/posts"><input name="t" value="v"><button></button></form><div id="images"></div>`);
  const { document: doc, window: own } = page;
  const { querySelector, createElement } = own.Document.prototype;
  const find = (selector: string) => querySelector.call(doc, selector);
  const list = find("ul")!;
  const images = find("#images")!;
  for (const name of members(own.Document.prototype)) {
    const image = createElement.call(doc, "img");
    image.setAttribute("name", name);
    images.append(image);
  }
  ok((doc.activeElement as unknown as HTMLElement).tagName === "IMG", "an image hides no member");
  link.send({ seq: 1, cursors: { 1: { enter: [{ id: "a", after: "", html: `<li data-id="a"><input name="x" type="radio"></li>` }] } } });
  await seen(() => list.children.length === 1, list);
  link.send({ seq: 2, cursors: { 1: { change: [{ id: "a", after: "", html: `<li data-id="a"><input name="x" type="radio" checked></li>` }] } } });
  await seen(() => list.querySelector("[checked]") !== null, list);
  (find("button") as HTMLElement).click();
  await link.expect({ call: "POST /posts", form: "t=v" });
});

test("an error in one row is reported, the others change, and the list is read again", async () => {
  const row = (id: string, text: string) => `<li data-id="${id}"><em>${text}</em></li>`;
  let breaks = false;
  const { list, store, link, send } = await live(`<ul>${row("a", "1")}${row("b", "1")}</ul>`, "ul");
  const broken = list.querySelector("em")!;
  // The text of the row cannot be changed.
  Object.defineProperty(broken.firstChild!, "nodeValue", {
    get: () => "1",
    set() {
      breaks = true;
      throw new Error("this row cannot change");
    },
  });
  await send({ change: [{ id: "a", html: row("a", "2") }, { id: "b", html: row("b", "2") }] });
  ok(breaks, "nothing failed");
  equal(takeReported().map(text => text.includes("this row cannot change")), [true]);
  equal(list.children[1]!.textContent, "2");
  link.send({ seq: 7, cursors: { 18: { change: [{ id: "b", html: row("b", "3") }] } } });
  const id = await link.expect({ live: "sealed" });
  const items = [{ id: "a", html: row("a", "4") }, { id: "b", html: row("b", "4") }];
  link.send({ id, status: 200, at: "E:7", cursor: 18, model: "posts", items });
  await applied(store, link);
  equal([...list.children].map(child => child.textContent), ["4", "4"], "the row is replaced if it cannot be changed");
  takeReported();
  link.send({ seq: 8, cursors: { 18: { change: [{ id: "a", html: row("a", "5") }] } } });
  await applied(store, link);
  equal([...list.children].map(child => child.textContent), ["5", "4"]);
});

test("data-tower-keep leaves what scripts made", async () => {
  const row = (n: string) =>
    `<li data-id="a"><div id="chart" data-tower-keep data-n="${n}"></div><p class="s${n}" data-tower-keep="class aria-expanded" aria-expanded="false" title="${n}">${n}</p>
      <canvas data-tower-keep="children width" width="10" data-n="${n}"></canvas><i>${n}</i></li>`;
  const { list, send } = await live(`<ul>${row("1")}</ul>`, "ul");
  const [chart, p, canvas] = ["#chart", "p", "canvas"].map(selector => list.querySelector<HTMLElement>(selector)!);
  chart!.innerHTML = "<b>drawn</b>";
  chart!.className = "ready";
  p!.className = "open";
  p!.setAttribute("aria-expanded", "true");
  canvas!.setAttribute("width", "99");
  canvas!.textContent = "drawn";
  await send({ change: [{ id: "a", html: row("2") }] });
  equal([chart!.isConnected, chart!.outerHTML], [true, `<div id="chart" data-tower-keep="" data-n="1" class="ready"><b>drawn</b></div>`]);
  equal([p!.className, p!.getAttribute("aria-expanded"), p!.title, p!.textContent], ["open", "true", "2", "2"]);
  equal([canvas!.getAttribute("width"), canvas!.textContent, canvas!.dataset.n], ["99", "drawn", "2"]);
  equal(list.querySelector("i")!.textContent, "2");
  const script = list.querySelector("i")!;
  script.setAttribute("data-tower-keep", "class");
  script.className = "mine";
  await send({ change: [{ id: "a", html: row("3") }] });
  equal([script.className, script.textContent], ["mine", "3"]);
});
