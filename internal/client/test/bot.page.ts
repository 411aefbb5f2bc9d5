// A bot that is a page in Chromium. Its path says who it is.

import { connect } from "../src/index";
import { Bot } from "./bot";

const seed = Number(new URLSearchParams(location.search).get("seed"));
const store = connect();
Object.assign(window, { store });
void new Bot(store, location.pathname.replace(/\/$/, ""), seed).run();
