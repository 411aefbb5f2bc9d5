/** A Transport is a way to reach the server. */
export interface Transport {
  readonly name: string;
  /** Begins to open a link. It calls no event before it has returned, and none after close. */
  open(events: LinkEvents): Link;
}

export interface Link {
  send(message: string): void;
  close(): void;
}

export interface LinkEvents {
  open(): void;
  message(message: string): void;
  close(closed: Closed): void;
}

/** Why a link has ended, in the codes of WebSocket. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export function websocket(url: URL): Transport {
  return {
    name: "websocket",
    open(events) {
      const socket = new WebSocket(url);
      socket.onopen = () => events.open();
      socket.onmessage = event => events.message(event.data);
      socket.onclose = ({ code, reason }) => events.close({ code, reason });
      return {
        send: message => socket.send(message),
        close() {
          socket.onopen = socket.onmessage = socket.onclose = null;
          socket.close();
        },
      };
    },
  };
}
