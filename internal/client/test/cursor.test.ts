import { applyDelta, Cursor } from "../src/store/cursor";
import { LiveElements } from "../src/page/page";
import { ulid } from "../src/wire/ulid";
import type { Answer, Commit, Delta, Entry, Row } from "../src/wire/frames";
import { equal, ok, random, test } from "./runner";

interface Post {
  id: string;
  title: string;
}

const byId = (posts: Post[]) => new Map(posts.map(post => [post.id, post]));
const ids = (posts: readonly Post[]) => posts.map(post => post.id).join("");
const posts = (ids: string) => [...ids].map(id => ({ id, title: id }));

test("leave, then enter, then change", () => {
  const delta: Delta = {
    leave: ["b"],
    enter: [{ id: "x", after: "" }, { id: "y", after: "x" }, { id: "z", after: "c" }],
    change: [{ id: "a", after: "z" }, { id: "c" }],
  };
  const found = byId([...posts("xyz"), { id: "a", title: "A" }, { id: "c", title: "C" }]);
  const next = applyDelta(posts("abc"), delta, found);
  equal(ids(next), "xycza");
  equal(next.find(post => post.id === "a"), { id: "a", title: "A" });
  equal(next.find(post => post.id === "c"), { id: "c", title: "C" });
});

test("without an order, records sort by id", () => {
  const next = applyDelta(posts("bd"), { enter: [{ id: "c" }, { id: "a" }, { id: "e" }] }, byId(posts("ace")));
  equal(ids(next), "abcde");
});

test("entering or leaving twice has the effect of once", () => {
  equal(ids(applyDelta(posts("abc"), { enter: [{ id: "a", after: "c" }], leave: ["b", "x"] }, byId(posts("a")))), "ca");
});

test("unchanged records stay the same objects", () => {
  const before = posts("abc");
  const next = applyDelta(before, { change: [{ id: "b" }] }, byId([{ id: "b", title: "B" }]));
  ok(next[0] === before[0] && next[2] === before[2] && next[1] !== before[1], "a and c are the same, b is not");
  ok(next !== before, "the list is a new one");
});

let made = 0;

/** Returns a random delta and the array after it. */
function step(list: Post[], ordered: boolean, pick: (below: number) => number): { delta: Delta; next: Post[] } {
  let next = [...list];
  const some = (from: Post[]) => from.filter(() => pick(4) === 0);
  const insert = (post: Post, entry: Entry) => {
    if (ordered) {
      const at = pick(next.length + 1);
      entry.after = next[at - 1]?.id ?? "";
      next.splice(at, 0, post);
    } else {
      next = [...next, post].sort((a, b) => (a.id < b.id ? -1 : 1));
    }
    return entry;
  };

  const leave = some(next).map(post => post.id);
  next = next.filter(post => !leave.includes(post.id));
  const entering = Array.from({ length: pick(4) }, () => ({ id: `${pick(1e6).toString(36)}.${++made}`, title: `t${pick(100)}` }));
  const enter = entering.map(post => insert(post, { id: post.id }));
  const change = some(next).map(({ id }) => {
    const post = { id, title: `t${pick(100)}` };
    if (ordered && pick(2) === 0) {
      next = next.filter(other => other.id !== id);
      return insert(post, { id });
    }
    next = next.map(other => (other.id === id ? post : other));
    return { id };
  });
  return { delta: { leave, enter, change }, next };
}

for (const ordered of [true, false]) {
  const kind = ordered ? "an ordered" : "an unordered";

  test(`${kind} list of records follows a plain array through random deltas`, () => {
    const pick = random();
    let list: Post[] = [];
    let held: readonly Post[] = [];
    for (let i = 0; i < 500; i++) {
      const { delta, next } = step(list, ordered, pick);
      held = applyDelta(held, delta, byId(next));
      equal(held, next, `after delta ${i}`);
      list = next;
    }
  });

  test(`${kind} list of elements follows a plain array through random deltas`, () => {
    const pick = random();
    const parent = document.body.appendChild(document.createElement("ul"));
    const elements = new LiveElements(parent);
    const html = ({ id, title }: Post) => `\n  <li data-id="${id}"><input name="title"><b>${title}</b></li>\n`;
    let list: Post[] = [];
    for (let i = 0; i < 200; i++) {
      const { delta, next } = step(list, ordered, pick);
      const drawn = byId(next);
      for (const entry of [...delta.enter!, ...delta.change!]) entry.html = html(drawn.get(entry.id)!);
      const before = new Map([...parent.children].map(child => [child.getAttribute("data-id"), child]));
      const focused = parent.querySelectorAll("input")[pick(parent.children.length + 1)];
      focused?.focus();

      if (pick(10) > 0) elements.apply(delta);
      else elements.replace({ id: 1, status: 200, items: next.map(post => ({ id: post.id, html: html(post) })) });

      const shown = [...parent.children].map(child => ({ id: child.getAttribute("data-id"), title: child.textContent!.trim() }));
      equal(shown, next, `after delta ${i}`);
      for (const child of parent.children) {
        const was = before.get(child.getAttribute("data-id"));
        ok(!was || was === child, `after delta ${i} a record has another element`);
      }
      if (focused?.isConnected) ok(document.activeElement === focused, `after delta ${i} the focus is gone`);
      list = next;
    }
  });
}

test("ulids grow, even within a millisecond and when the clock is set back", () => {
  const now = Date.now();
  const made = [...Array.from({ length: 1000 }, () => ulid(now)), ulid(now + 1), ulid(now - 5000), ulid(now + 2)];
  for (const id of made) ok(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id), `${id} is not a ULID`);
  equal(made, [...new Set(made)].sort(), "ulids in order");
});

test("a ulid starts with its time", () => {
  const far = 2 ** 47; // later than in any other test
  equal(ulid(far).slice(0, 10), "4000000000");
});

test("included records enter, change and leave with the frames of their cursor", () => {
  const cursor = new Cursor<Post>({ open: "posts.signed", in: {} }, () => {});
  cursor.model = "posts";
  const held = () => [...cursor.included<{ id: string; name: string }>("users").values()].map(user => user.name).join(" ");
  const answer = { id: 1, status: 200, ids: ["a"], include: { users: ["u"] }, posts: posts("a"), users: [{ id: "u", name: "Ada" }] };
  const none = new Map();
  cursor.replace(answer as Answer);
  cursor.show(none);
  equal([ids(cursor.records), held()], ["a", "Ada"]);

  const before = cursor.records;
  const frame = { seq: 2, users: [{ id: "u", name: "Eve" }, { id: "v", name: "Bob" }] };
  cursor.apply({ include: { users: { enter: [{ id: "v" }], change: [{ id: "u" }] } } }, frame as Commit);
  cursor.show(none);
  equal(held(), "Eve Bob");
  ok(cursor.records !== before, "the snapshot is a new one");

  cursor.apply({ include: { users: { leave: ["u"] } } }, { seq: 3 });
  cursor.show(new Map([["users", new Map([["v", { record: { id: "v", name: "Ben" } as Row, created: false }]])]]));
  equal(held(), "Ben", "with the writes applied");
  ok(!cursor.show(new Map([["users", new Map([["v", { record: cursor.included("users").get("v")!, created: false }]])]])), "nothing changed");
  equal(cursor.included("teams").size, 0);
});
