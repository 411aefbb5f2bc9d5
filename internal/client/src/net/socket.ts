import { decode } from "../wire/frames";
import type { Transport } from "./transport";

/** Carries frames over a WebSocket. */
export function socket(url: URL): Transport {
  return {
    name: "socket",
    open(events) {
      const socket = new WebSocket(Object.assign(new URL(url), { protocol: url.protocol.replace("http", "ws") }));
      socket.onopen = () => events.open();
      socket.onmessage = event => events.received(decode(event.data));
      socket.onclose = ({ code, reason }) => events.close({ code, reason });
      return {
        id: "",
        send: message => socket.send(message),
        close() {
          socket.onopen = socket.onmessage = socket.onclose = null;
          socket.close();
        },
      };
    },
  };
}
