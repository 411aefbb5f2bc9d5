// A page that a Go test controls. With ?share, it shares its connection.

import { connect } from "../../src/store/connect";
import { timeouts } from "../../src/net/timeouts";
import { state } from "../state";

interface Note {
  id: string;
  text: string;
}

const query = new URLSearchParams(location.search);
Object.assign(timeouts, { check: 100, silence: 1000, pong: 1000 });

const store = connect({ share: query.has("share"), transports: (query.get("transports") ?? "socket,stream,poll").split(",") as "poll"[] });
const notes = store.cursor<Note>("notes.all");
const mine = query.has("mine") ? store.cursor<Note>("notes.mine") : null;

const tab = {
  store,
  ready: Promise.all([notes.ready, mine?.ready]).then(() => store.state.transport),
  /** Resolves once there is a note with this text. */
  note: (text: string) => new Promise<boolean>(resolve => notes.subscribe(list => list.some(note => note.text === text) && resolve(true))),
  over: (name: string) => state(store, ({ online, transport }) => online && transport === name).then(() => true),
  user: (id: string) => state(store, ({ online, user }) => online && user === id).then(() => true),
  call: (route: string, input: unknown) => store.call(route, input).then(({ status }) => status),
};

declare global {
  interface Window {
    tab: typeof tab;
  }
}

window.tab = tab;
