import { morph, place } from "../src/page/morph";
import { after, equal, ok, test } from "./runner";

function parse(html: string): Element {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild!;
}

/** Returns an element in the document and a function that morphs it. */
function shown(html: string): { element: HTMLElement; become(html: string): void; find<T extends Element>(selector: string): T } {
  const element = document.body.appendChild(document.adoptNode(parse(html))) as HTMLElement;
  return {
    element,
    become: html => void morph(element, parse(html)),
    find: <T extends Element>(selector: string) => element.querySelector<T>(selector)!,
  };
}

/** Types as a user would: into the focused element, with events. */
function type(text: string): void {
  ok(document.execCommand("insertText", false, text), "nothing was typed");
}

test("attributes and text change, the nodes stay", () => {
  const { element, become } = shown(`<li class="a" title="x">one <b>two</b><!--c--></li>`);
  const nodes = [...element.childNodes];
  become(`<li class="b" data-n="1">ONE <b class="c">TWO</b><!--d--></li>`);
  equal(element.outerHTML, `<li class="b" data-n="1">ONE <b class="c">TWO</b><!--d--></li>`);
  ok(nodes.every((node, i) => node === element.childNodes[i]), "nodes were replaced");
});

test("an element of another kind is replaced", () => {
  const { element } = shown(`<li data-id="a">x</li>`);
  const now = morph(element, parse(`<div data-id="a">y</div>`));
  equal([now.outerHTML, now.isConnected, element.isConnected], [`<div data-id="a">y</div>`, true, false]);
});

test("children keep their nodes by id, data-id, name, or kind", () => {
  const { element, become } = shown(
    `<div><p id="a">a</p><p data-id="b">b</p><input name="c"><section><input name="d"></section><section>e</section></div>`,
  );
  const [a, b, c, d, e] = element.children;
  become(
    `<div><section>e2</section><section><i>new</i><input name="d"></section><p>new</p><input name="c"><p data-id="b">b2</p><p id="a">a2</p></div>`,
  );
  const now = [...element.children];
  ok(now[0] === e && now[1] === d && now[3] === c && now[4] === b && now[5] === a, "nodes were replaced");
  equal(element.textContent, "e2newnewb2a2");
});

test("children come and go", () => {
  const { element, become } = shown(`<ul><li>1</li><li>2</li></ul>`);
  const first = element.firstChild;
  become(`<ul><li>1</li><li>2</li><li>3</li></ul>`);
  equal(element.innerHTML, "<li>1</li><li>2</li><li>3</li>");
  become(`<ul></ul>`);
  equal(element.innerHTML, "");
  become(`<ul>text<li>1</li></ul>`);
  equal(element.innerHTML, "text<li>1</li>");
  ok(element.firstChild !== first, "the element was removed");
});

test("an untouched field is updated", () => {
  const { become, find } = shown(
    `<form><input name="t" value="a"><input type="checkbox" name="c"><textarea name="x">a</textarea>
     <select name="s"><option>1<option selected>2</select></form>`,
  );
  become(
    `<form><input name="t" value="b"><input type="checkbox" name="c" checked><textarea name="x">b</textarea>
     <select name="s"><option selected>1<option>2<option>3</select></form>`,
  );
  equal(find<HTMLInputElement>("[name=t]").value, "b");
  equal(find<HTMLInputElement>("[name=c]").checked, true);
  equal(find<HTMLTextAreaElement>("[name=x]").value, "b");
  equal(find<HTMLSelectElement>("[name=s]").value, "1");
});

test("a field is updated again after its edit was undone or saved", () => {
  const { become, find } = shown(`<form><input name="t" value="a"></form>`);
  const input = find<HTMLInputElement>("input");
  input.focus();
  input.select();
  type("b");
  input.blur();
  become(`<form><input name="t" value="b"></form>`);
  become(`<form><input name="t" value="c"></form>`);
  equal(input.value, "c");
});

test("values that the browser normalizes do not count as edited", () => {
  const html = (day: number) => `<form><input type="datetime-local" value="2026-11-${day}T10:00:00"></form>`;
  const { become, find } = shown(html(22));
  const input = find<HTMLInputElement>("input");
  input.value = "2026-11-23T10:00";
  become(html(23));
  become(html(24));
  equal(input.value, "2026-11-24T10:00");
});

test("typed text stays, with focus, selection and scroll position", () => {
  const { element, become, find } = shown(
    `<div style="height:60px;overflow:auto"><div style="height:500px"></div><p>1</p><form><input name="t" value="a"><textarea name="x">a</textarea></form></div>`,
  );
  const input = find<HTMLInputElement>("input");
  const area = find<HTMLTextAreaElement>("textarea");
  area.focus();
  type("more ");
  input.focus();
  input.select();
  type("typed text");
  input.setSelectionRange(2, 5, "backward");
  element.scrollTop = 40;
  const visible = find("div");
  const { top } = visible.getBoundingClientRect();
  become(
    `<div style="height:60px;overflow:auto"><p>new</p><div style="height:500px"></div><p>2</p><form class="c"><b>!</b><input name="t" value="server" class="d"><textarea name="x">server</textarea></form></div>`,
  );
  equal([input.value, area.value.includes("more")], ["typed text", true]);
  equal(input.className, "d", "other attributes of the field change");
  ok(document.activeElement === input && find("input") === input, "the focus is where it was");
  equal([input.selectionStart, input.selectionEnd, input.selectionDirection], [2, 5, "backward"]);
  equal(visible.getBoundingClientRect().top, top, "where the reader is");
});

test("a focused field is updated on blur", () => {
  const { become, find } = shown(`<form><input name="t" value="a"></form>`);
  const input = find<HTMLInputElement>("input");
  input.focus();
  input.setSelectionRange(1, 1);
  become(`<form><input name="t" value="b" class="x"></form>`);
  become(`<form><input name="t" value="c" class="y"></form>`);
  equal([input.value, input.className, input.selectionStart], ["a", "", 1]);
  input.blur();
  equal([input.value, input.className], ["c", "y"]);
});

test("a focused field with typed text keeps it on blur", () => {
  const { become, find } = shown(`<form><input name="t" value="a"></form>`);
  const input = find<HTMLInputElement>("input");
  input.focus();
  become(`<form><input name="t" value="b"></form>`);
  type("x");
  const typed = input.value;
  input.blur();
  equal([input.value, input.defaultValue], [typed, "b"]);
});

test("a focused field with saved text keeps it on blur", () => {
  const { become, find } = shown(`<form><input name="t" value="a"></form>`);
  const input = find<HTMLInputElement>("input");
  input.focus();
  become(`<form><input name="t" value="b"></form>`);
  input.select();
  type("c");
  become(`<form><input name="t" value="c"></form>`);
  input.blur();
  equal([input.value, input.defaultValue], ["c", "c"]);
});

test("ticks stay until the server has the same value", () => {
  const { become, find } = shown(`<form><input type="checkbox" name="c"></form>`);
  const box = find<HTMLInputElement>("input");
  box.click();
  become(`<form class="x"><input type="checkbox" name="c"></form>`);
  equal(box.checked, true, "ticked, not yet saved");
  become(`<form><input type="checkbox" name="c" checked></form>`);
  equal(box.checked, true, "saved");
  become(`<form><input type="checkbox" name="c"></form>`);
  equal(box.checked, false, "another user has undone it");
});

test("the chosen radio button stays until the server has the same value", () => {
  const radios = (checked: string) =>
    `<form>${["a", "b", "c"].map(v => `<input type="radio" name="r" value="${v}"${v === checked ? " checked" : ""}>`).join("")}</form>`;
  const { element, become } = shown(radios("a"));
  const choice = () => new FormData(element as HTMLFormElement).get("r");
  (element.children[2] as HTMLInputElement).click();
  become(radios("b"));
  equal(choice(), "c", "chosen, not yet saved");
  become(radios("c"));
  become(radios("a"));
  equal(choice(), "a", "saved, then changed by another user");
});

test("the choice in a select stays, even if options change", () => {
  const { become, find } = shown(`<form><select name="s"><option>1<option>2<option>3</select></form>`);
  const select = find<HTMLSelectElement>("select");
  select.value = "3";
  become(`<form><select name="s"><option>0<option selected>1<option>3</select></form>`);
  equal([select.value, select.options.length], ["3", 3]);
  become(`<form><select name="s"><option>0<option>1<option selected>3</select></form>`);
  become(`<form><select name="s"><option>0<option selected>1<option>3</select></form>`);
  equal(select.value, "1");
});

test("multiple choices in a select stay", () => {
  const { become, find } = shown(`<form><select name="s" multiple><option>1<option>2<option>3</select></form>`);
  const select = find<HTMLSelectElement>("select");
  select.options[0]!.selected = select.options[2]!.selected = true;
  become(`<form><select name="s" multiple><option>1<option selected>2<option>3<option>4</select></form>`);
  equal([...select.selectedOptions].map(option => option.value), ["1", "3"]);
});

test("an untouched select with a disabled first option is updated", () => {
  const { become, find } = shown(`<form><select name="s"><option disabled>?<option>1<option>2</select></form>`);
  become(`<form><select name="s"><option disabled>?<option>1<option selected>2</select></form>`);
  equal(find<HTMLSelectElement>("select").value, "2");
});

test("a chosen file stays", () => {
  const { become, find } = shown(`<form><input type="file" name="f"></form>`);
  const input = find<HTMLInputElement>("input");
  const files = new DataTransfer();
  files.items.add(new File(["x"], "x.txt"));
  input.files = files.files;
  become(`<form><input type="file" name="f" class="x"></form>`);
  equal([input.files.length, input.className], [1, "x"]);
});

test("text in an editable element stays until the server has the same text", () => {
  const { become, find } = shown(`<div><p contenteditable>old</p></div>`);
  const p = find<HTMLElement>("p");
  p.focus();
  getSelection()!.selectAllChildren(p);
  type("mine");
  become(`<div><p contenteditable>theirs</p></div>`);
  equal(p.textContent, "mine");
  p.blur();
  become(`<div><p contenteditable>theirs</p></div>`);
  equal(p.textContent, "mine", "it was edited");
  become(`<div><p contenteditable>mine</p></div>`);
  become(`<div><p contenteditable>theirs</p></div>`);
  equal(p.textContent, "theirs");
});

test("details and dialogs stay open", () => {
  const { element, become, find } = shown(`<div><details><summary>s</summary>a</details></div>`);
  find<HTMLDetailsElement>("details").open = true;
  become(`<div><details class="x"><summary>s</summary>b</details></div>`);
  equal(element.innerHTML, `<details open="" class="x"><summary>s</summary>b</details>`);
});

for (const how of ["moveBefore", "insertBefore"]) {
  test(`a move keeps focus and selection, with ${how}`, () => {
    if (how === "insertBefore") {
      const { moveBefore } = Element.prototype;
      after(() => (Element.prototype.moveBefore = moveBefore));
      (Element.prototype as { moveBefore: unknown }).moveBefore = undefined;
    }
    const { element } = shown(`<ul><li>1</li><li>2</li><li><input value="abc"></li></ul>`);
    const [first, , last] = element.children;
    const input = last!.querySelector("input")!;
    input.focus();
    input.setSelectionRange(1, 2);
    place(element, last!, first!);
    ok(element.firstChild === last && document.activeElement === input, "the focus was lost");
    equal([input.selectionStart, input.selectionEnd], [1, 2]);
    place(element, last!, null);
    ok(element.lastChild === last && document.activeElement === input, "the focus was lost");
  });
}
