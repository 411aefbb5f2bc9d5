import answerCall from "../../wire/testdata/answer_call.json";
import answerDelta from "../../wire/testdata/answer_delta.json";
import answerForbidden from "../../wire/testdata/answer_forbidden.json";
import answerForm from "../../wire/testdata/answer_form.json";
import answerInvalid from "../../wire/testdata/answer_invalid.json";
import answerItems from "../../wire/testdata/answer_items.json";
import answerOpen from "../../wire/testdata/answer_open.json";
import answerEmpty from "../../wire/testdata/answer_open_empty.json";
import answerRepeated from "../../wire/testdata/answer_repeated.json";
import answerResync from "../../wire/testdata/answer_resync.json";
import answerSession from "../../wire/testdata/answer_session.json";
import answerUnchanged from "../../wire/testdata/answer_unchanged.json";
import badFrame from "../../wire/testdata/answer_bad_frame.json";
import commit from "../../wire/testdata/commit.json";
import commitAllowed from "../../wire/testdata/commit_allowed.json";
import commitClosed from "../../wire/testdata/commit_closed.json";
import commitItems from "../../wire/testdata/commit_items.json";
import commitMerged from "../../wire/testdata/commit_merged.json";
import commitTo from "../../wire/testdata/commit_to.json";
import frames from "../../wire/testdata/frames.json";
import hello from "../../wire/testdata/hello.json";
import push from "../../wire/testdata/push.json";
import pushError from "../../wire/testdata/push_error.json";
import requestApplied from "../../wire/testdata/request_applied.json";
import requestAppliedMerged from "../../wire/testdata/request_applied_merged.json";
import requestCall from "../../wire/testdata/request_call.json";
import requestClose from "../../wire/testdata/request_close.json";
import requestForm from "../../wire/testdata/request_form.json";
import requestHello from "../../wire/testdata/request_hello.json";
import requestLive from "../../wire/testdata/request_live.json";
import requestOpen from "../../wire/testdata/request_open.json";
import { LiveElements } from "../src/page/page";
import { decode, position, records, seqOf, type Answer, type ClientFrame, type Commit, type Complaint, type Hello, type Push } from "../src/wire/frames";
import { equal, ok, takeReported, test } from "./runner";
import { accept, applied, newStore, online, state } from "./server";

// These lines compile only if the types match the golden frames.
const answers: Answer[] = [
  answerCall, answerDelta, answerEmpty, answerForbidden, answerForm, answerInvalid, answerItems, answerOpen,
  answerRepeated,
  answerResync, answerSession, answerUnchanged,
];
const commits: Commit[] = [commit, commitAllowed, commitClosed, commitItems, commitMerged, commitTo] as Commit[];
const others: (Hello | Push | Complaint)[] = [hello, push, pushError, badFrame];
const sent: ClientFrame[] = [requestApplied, requestAppliedMerged, requestCall, requestClose, requestForm, requestHello, requestLive, requestOpen];

test("every golden frame decodes to itself", () => {
  for (const frame of [...answers, ...commits, ...others]) equal(decode(JSON.stringify(frame)), [frame]);
  equal(decode(JSON.stringify(frames)), frames);
  ok(sent.length > 0, "there are golden requests");
});

test("records are found under the name of their model", () => {
  equal(records(answerOpen, "posts").map(record => record.id), answerOpen.ids);
  equal(records(commits[0]!, "users"), commit.users);
  equal(records(answerEmpty, "posts"), []);
});

test("positions have an epoch and a seq", () => {
  equal(position("E", 812), "E:812");
  equal(seqOf(answerOpen.at), 812);
});

test("the client's frames match the golden ones", async () => {
  const store = await newStore();
  const link = await accept();
  equal(await link.next(), { ...requestHello, zone: Intl.DateTimeFormat().resolvedOptions().timeZone });
  link.send(hello);
  await state(store, ({ online }) => online);

  const { order, limit, where } = requestOpen;
  const posts = store.cursor("posts.published", {}, { order, limit, where });
  const { since, ...open } = requestOpen;
  equal(await link.next(), open);
  link.send(answerOpen);
  equal((await posts.ready).map(post => post.id), answerOpen.ids);
  posts.close();
  equal(await link.next(), requestClose);

  const created = store.call(requestCall.call, requestCall.in, { key: requestCall.key });
  equal(await link.next(), requestCall);
  link.send(answerCall);
  equal((await created).out, answerCall.out);

  const element = document.createElement("ul");
  element.dataset.live = requestLive.live;
  element.dataset.since = requestLive.since;
  store.addList(new LiveElements(element));
  equal(await link.next(), requestLive);
  link.send([answerItems, { ...commit, cursors: {} }]);
  equal(await link.next(), requestApplied);
  equal(element.textContent, "Second & last");

  const form = store.call(requestForm.call, new URLSearchParams(requestForm.form), { key: requestForm.key });
  equal(await link.next(), requestForm);
  link.send(answerForm);
  const result = await form;
  equal([result.status, result.location, result.error], [200, answerForm.location, null]);
  ok(since !== undefined, "the golden open resumes");
});

test("the golden commits take a cursor from open to closed", async () => {
  const { store, link } = await online(hello);
  const posts = store.cursor("posts.published");
  const users = store.cursor("users.known");
  await link.expect({ open: "posts.published", in: {} });
  await link.expect({ open: "users.known", in: {} });
  const ada = { id: commit.users[0]!.id, name: "?" };
  link.send([answerOpen, { id: 2, status: 200, at: answerOpen.at, cursor: 9, model: "users", ids: [ada.id], users: [ada] }]);
  await users.ready;

  link.send({ ...commit, ack: false });
  await applied(store, link);
  equal(posts.records, commit.posts);
  equal(users.records, commit.users);

  link.send([commitTo, commitClosed]);
  await applied(store, link);
  equal(posts.records, []);
  equal(posts.error, commitClosed.cursors["23"].closed);
  ok(posts.stale, "a closed cursor is stale");
});

test("merged commits are applied in one turn, step by step", async () => {
  const { store, link } = await online(hello);
  const posts = store.cursor("posts.published");
  await link.expect({ open: "posts.published", in: {} });
  const [last, left] = [{ id: "01JB00000000000000000000B2" }, { id: "01JA00000000000000000000A1" }];
  link.send({ ...answerOpen, ids: [left.id, last.id], posts: [left, last] });
  await posts.ready;

  const lists: string[][] = [];
  posts.subscribe(list => lists.push(list.map(post => post.id)));
  link.send({ ...commitMerged, ack: true });
  equal(await link.next(), requestAppliedMerged);
  equal(lists.slice(1), [[commitMerged.posts[0]!.id, last.id]]);
});

test("unknown frames and fields are ignored, a complaint is reported", async () => {
  const { store, link } = await online();
  link.send([{ fromTheFuture: 1 }, { seq: 1, fromTheFuture: [{ id: "a" }] }, badFrame]);
  await applied(store, link);
  equal(store.state.seq, 1);
  equal(takeReported(), [`TowerError: ${badFrame.error.message}`]);
});

