// A bot that is a page in Chromium. Its path says who it is.

import { connect } from "../src/index";
import { times } from "../src/times";
import { Bot, ways } from "./bot";

const seed = Number(new URLSearchParams(location.search).get("seed"));
Object.assign(times, { climb: 300, again: 50 });
const store = connect({ transports: ways[seed % ways.length]!, share: seed % 2 === 0 });
Object.assign(window, { store });
void new Bot(store, location.pathname.replace(/\/$/, ""), seed).run();
