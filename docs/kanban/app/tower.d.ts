// What this application declares in Go, for TypeScript, and the library that reads it.
// Written by tower: do not edit. It is right to commit it.

declare module "tower" {
  import type { Card, CardID, CardInput, Column, SessionRecord, TokenRecord } from "tower/types";

  interface Models {
    cards: Card;
    tower_sessions: SessionRecord;
    tower_tokens: TokenRecord;
  }

  interface Actions {
    "POST /cards": { in: CardInput; out: Card | null };
    "PATCH /cards/{id}": { in: CardInput; out: Card | null };
    "DELETE /cards/{id}": { in: CardID; out: {} };
  }

  interface Cursors {
    "cards.in": { in: Column; record: Card; narrow: never };
  }

  interface Values {
  }
}

declare module "tower/types" {
  import type { ID, Int64, Time } from "tower";

  /** tower.SessionRecord */
  export interface SessionRecord {
    readonly id: ID;
    readonly createdAt: Time;
    readonly updatedAt: Time;
    readonly userId: ID;
    readonly method: string;
    readonly label: string;
    readonly address: string;
    readonly agent: string;
    readonly seenAt: Time;
    readonly expiresAt: Time;
    readonly endsAt: Time;
    readonly actorId: ID;
  }

  /** tower.TokenRecord */
  export interface TokenRecord {
    readonly id: ID;
    readonly createdAt: Time;
    readonly updatedAt: Time;
    readonly userId: ID;
    readonly name: string;
    readonly actions: readonly string[] | null;
    readonly seenAt: Time;
    readonly expiresAt: Time;
  }

  /** controllers.CardID */
  export interface CardID {
    id?: ID | null;
  }

  /** controllers.CardInput */
  export interface CardInput {
    id?: ID | null;
    title?: string;
    column?: "todo" | "doing" | "done";
    place?: number;
  }

  /** controllers.Column */
  export interface Column {
    column: "todo" | "doing" | "done";
  }

  /** models.Card */
  export interface Card {
    readonly id: ID;
    readonly createdAt: Time;
    readonly updatedAt: Time;
    readonly title: string;
    readonly column: "todo" | "doing" | "done";
    readonly place: number;
  }
}

declare module "*.css" {}
declare module "*.svg" { const url: string; export default url; }
declare module "*.png" { const url: string; export default url; }
declare module "*.jpg" { const url: string; export default url; }
declare module "*.gif" { const url: string; export default url; }
declare module "*.webp" { const url: string; export default url; }
declare module "*.woff2" { const url: string; export default url; }

declare module "tower" {
  /** A record's id: a ULID, which sorts by creation time. */
  export type ID = string;

  /** A time in UTC, as a string: "2026-11-22T20:20:27.509293Z". */
  export type Time = string;

  /** A 64-bit integer. One that a JavaScript number cannot represent is a string of its digits. */
  export type Int64 = number | string;

  /** What a record has of a file. It is downloaded at url, by whoever may see the record. */
  export interface StoredFile {
    readonly id: ID;
    readonly name: string;
    readonly type: string;
    readonly size: number;
    readonly sum: string;
    readonly url: string;
  }

  /** What stands for an uploaded file in the input of an action. */
  export type Upload = string;

  /** The declarations of the application. Its generated types add the members. */
  export interface Models {}
  export interface Actions {}
  export interface Cursors {}
  export interface Values {}

  /** A record. */
  export interface Row {
    readonly id: ID;
  }

  /** The names in a registry, or any string before types are generated. */
  type NameIn<Registry> = keyof Registry extends never ? string : keyof Registry & string;

  export type ModelName = NameIn<Models>;
  export type CursorName = NameIn<Cursors>;
  export type ValueName = NameIn<Values>;

  /** The record type of a model. */
  export type RecordOf<M> = M extends keyof Models ? Models[M] : any;

  /** The route of an action: as declared, "PATCH /posts/{id}", or filled in, `PATCH /posts/${post.id}`. */
  export type Route = keyof Actions extends never ? string : keyof Actions | Filled<keyof Actions>;

  type Filled<Pattern> = Pattern extends `${infer Before}{${string}}${infer After}` ? `${Before}${string}${Filled<After>}` : Pattern;

  /** The declared action that a route matches. */
  type Declared<R> = R extends keyof Actions ? R : { [P in keyof Actions]: R extends Filled<P> ? P : never }[keyof Actions];

  /** The names in the braces of a path. */
  type Braces<Pattern> = Pattern extends `${string}{${infer Name}}${infer After}` ? (Name extends `${infer Rest}...` ? Rest : Name) | Braces<After> : never;

  type Require<Fields, Names> = Omit<Fields, Names & keyof Fields> & { [N in Names & keyof Fields]-?: Exclude<Fields[N], undefined> };

  type At<Registry, Name, Part extends string> = Name extends keyof Registry ? (Registry[Name] extends { [P in Part]: infer Found } ? Found : any) : any;

  /** The input of an action. Fields that the route already fills in may be omitted. */
  export type InputOf<R> = keyof Actions extends never
    ? any
    : R extends keyof Actions
      ? Require<At<Actions, R, "in">, Braces<R>>
      : Omit<At<Actions, Declared<R>, "in">, Braces<Declared<R>>>;

  /** The output of an action. */
  export type OutputOf<R> = keyof Actions extends never ? any : At<Actions, Declared<R>, "out">;

  /** Arguments with an input and options. The input is optional if it has no required field. */
  type With<Input, Options> = {} extends Input ? [input?: Input, options?: Options] : [input: Input, options?: Options];

  /** The reason for a refusal. */
  export interface Failure {
    readonly code: string;
    readonly message: string;
    readonly problems?: Problems;
    /** After how many seconds the request may be sent again; missing if that is not known. */
    readonly retryAfter?: number;
    /** The id by which the server's log names the request; missing if the error says everything. */
    readonly request?: string;
  }

  /** Messages by field name. The key "" holds messages about the whole input. */
  export type Problems = Record<string, string[]>;

  /** An error with a code for programs and a message for people. */
  export class TowerError extends Error {
    readonly code: string;
    /** After how many seconds the request may be sent again; 0 if that is not known. */
    readonly retryAfter: number;
    /** The id by which the server's log names the request; undefined if the error says everything. */
    readonly request: string | undefined;
    /** Messages by field name, for an input that is not valid. */
    readonly problems: Problems;
    constructor(failure: Failure);
  }

  export interface UploadOptions {
    /** Receives how many bytes of how many have been sent. */
    onProgress?: (sent: number, total: number) => void;
    /** Stops the upload. */
    signal?: AbortSignal;
  }

  /**
   * Uploads a file for a field of an action, `upload("POST /posts", "cover", file)`, and resolves with what stands for
   * it in the action's input. If the connection breaks, the upload goes on where it was, for as long as it takes. Rejects
   * with a TowerError, whose problems say what is wrong with the file, or if the signal stops it. It runs in browsers.
   */
  export function upload(route: string, field: string, file: Blob, options?: UploadOptions): Promise<Upload>;

  /** The state of a store and its connection. It is immutable; each change makes a new one. */
  export interface State {
    readonly online: boolean;
    /** The transport in use: "socket", "stream" or "poll"; "" while disconnected. */
    readonly transport: string;
    readonly epoch: string;
    readonly build: string;
    /** The seq of the last applied commit, or of the server at its hello. */
    readonly seq: number;
    /** The id of the current user; "" for a visitor. */
    readonly user: ID;
    /** The routes that the user may call. */
    readonly actions: readonly string[];
    /** The cursors that the user may open. */
    readonly cursors: readonly string[];
    /** The reason for the end of the last connection, while there is no other. */
    readonly closed: Closed | null;
    /** The number of unanswered writes. */
    readonly pending: number;
    /** Whether these writes survive the page. They do not in Node, without storage, or before the user is known. */
    readonly durable: boolean;
  }

  /**
   * The reason for the end of a connection, with a WebSocket close code. It is 4401 if the user signed out, here or
   * elsewhere, and 4000 plus the status of the error if the server refused the client, for example 4403.
   */
  export interface Closed {
    readonly code: number;
    readonly reason: string;
    /** After how many seconds the client connects again, if the server has said so. */
    readonly retryAfter?: number | undefined;
  }

  /** The answer of an action. */
  export interface Result<Out = unknown> {
    readonly status: number;
    readonly out: Out | undefined;
    readonly error: Failure | null;
    /** Messages by field name. The key "" holds messages about the whole input. */
    readonly problems: Problems;
    /** The page to show next after a form, or "". */
    readonly location: string;
    /** Whether the call signed a user in or out, or set a cookie. */
    readonly session: boolean;
    /** Whether an earlier call with this key had already taken effect. If so, out may be missing. */
    readonly repeated: boolean;
  }

  /** The result of an action that the server ran for this connection without a call. */
  export type Pushed<Out = unknown> = Pick<Result<Out>, "status" | "out" | "error">;

  export interface CallOptions {
    /** Stops waiting for a connection or the answer. A call that was sent may still take effect. */
    signal?: AbortSignal;
    /** A ULID. Calls with the same key take effect once, so a lost call can be sent again. */
    key?: string;
  }

  /** A test of a field: a value that it must equal, or operators that it must satisfy. */
  export type Test<V> =
    | V
    | {
        readonly is?: V;
        readonly not?: V;
        readonly in?: readonly V[];
        readonly gt?: V;
        readonly gte?: V;
        readonly lt?: V;
        readonly lte?: V;
        readonly exists?: boolean;
        readonly contains?: V extends readonly (infer Element)[] | null ? Element : V;
      };

  /** Conditions. A record must meet all of them. */
  export type Where<T, Fields extends keyof T = keyof T> = { readonly [F in Fields]?: Test<T[F]> } & {
    readonly and?: readonly Where<T, Fields>[];
    readonly or?: readonly Where<T, Fields>[];
    readonly not?: Where<T, Fields>;
  };

  /** Conditions, order and limit that a client adds to a cursor, on fields that the application allows. */
  export interface Narrowing<T = any, Fields extends keyof T = keyof T> {
    where?: Where<T, Fields>;
    /** Field names, each with a leading "-" for descending order. */
    order?: readonly (Fields & string | `-${Fields & string}`)[];
    limit?: number;
  }

  export interface CursorOptions<T = any, Fields extends keyof T = keyof T> extends Narrowing<T, Fields> {
    /** Stores the last records on this device, for a start without a connection. */
    keep?: boolean;
  }

  /** The record type of a cursor. */
  export type CursorRecord<N> = At<Cursors, N, "record"> extends infer T extends Row ? T : any;

  /** The arguments after a cursor's name: its input and options. */
  export type CursorArguments<N> = With<At<Cursors, N, "in">, CursorOptions<CursorRecord<N>, At<Cursors, N, "narrow"> & keyof CursorRecord<N>>>;

  /** The arguments after a value's name: its input and conditions. */
  export type ValueArguments<N> = With<At<Values, N, "in">, Pick<Narrowing<Record<At<Values, N, "narrow"> & string, any>>, "where">>;

  /** A list or value with subscribers. It is a Svelte store and fits React's useSyncExternalStore. */
  export interface Followed<V> {
    /** Whether it may be behind the server. */
    readonly stale: boolean;
    /** The reason why the server does not keep it open, or null. */
    readonly error: Failure | null;
    /** Settles with the server's first answer: resolves with the contents or rejects with the error. */
    readonly ready: Promise<V>;
    /** Calls a function with the contents, now and whenever they or stale change. Returns a function that unsubscribes. */
    readonly subscribe: (notify: (current: V) => void) => () => void;
    /** Returns the contents; the same object until they change. */
    readonly getSnapshot: () => V;
    /** Closes this use of it. It ends when every user of it has closed it. */
    readonly close: () => void;
  }

  /**
   * A list of records that is kept current. It shows the server's records with this
   * client's unanswered writes applied to them.
   */
  export interface Cursor<T extends Row = any> extends Followed<readonly T[]> {
    /** The records; the same array until they or pending change. */
    readonly records: readonly T[];
    readonly count: number;
    /** The ids of the records that show an unanswered write. */
    readonly pending: ReadonlySet<ID>;
    /** Returns the included records of a model, by id: the referenced records that the user may see. */
    included<M extends ModelName>(model: M): ReadonlyMap<ID, RecordOf<M>>;
  }

  /** A count, a sum, an extreme or an average that is kept current. */
  export interface Value<V = number> extends Followed<V | null | undefined> {
    /** The value. It is null if there is none, such as the minimum of no records, and undefined until the server has answered. */
    readonly value: V | null | undefined;
  }

  /** A value with subscribers. */
  export interface Observable<T> {
    readonly value: T;
    readonly subscribe: (notify: (value: T) => void) => () => void;
    readonly getSnapshot: () => T;
  }

  /** The effect of a write on a record, on this client, until the server answers. */
  export type Effect = {
    [M in ModelName]: {
      readonly op: "create" | "update" | "delete";
      readonly model: M;
      readonly id: ID;
      /** New values of fields. */
      readonly set?: Readonly<Partial<RecordOf<M>>>;
    };
  }[ModelName];

  /**
   * A write that has taken effect on this client and is sent as soon as the server is
   * reachable. Await it for the server's answer, which includes problems. If the server
   * refuses a write that no caller awaits, the store lists it as refused.
   */
  export interface Write<Out = unknown> extends PromiseLike<Result<Out>> {
    /** The key of the call: a ULID. Keys sort in the order of the writes. */
    readonly key: string;
    /** The id of the record it affects, or "". */
    readonly id: ID;
  }

  /** A write that the server refused while no caller waited for it. */
  export interface Refused {
    readonly key: string;
    readonly call: string;
    readonly in?: unknown;
    readonly form?: string;
    readonly effects: readonly Effect[];
    readonly error: Failure;
    /** Sends it again, as a new write. */
    retry(): Write;
    /** Removes it from the list of refused writes. */
    dismiss(): void;
  }

  /** The input of an action without the fields in its path. If there is no such action, the fields of a record. */
  type Fields<R, T> = R extends keyof Actions ? Omit<At<Actions, R, "in">, Braces<R>> : Partial<T>;

  /**
   * Creates, updates and deletes records of one kind, with the routes POST path,
   * PATCH path/{id} and DELETE path/{id}. A write shows immediately in the store's
   * cursors. It is sent as soon as the server is reachable.
   */
  export interface Model<T extends Row = any, Create = Partial<T>, Update = Partial<T>> {
    readonly name: string;
    readonly path: string;
    /** Creates a record. Its id is the given one or a new one, and does not change later. */
    create(fields: Create): Write<T>;
    /** Changes the given fields of a record. */
    update(id: ID, fields: Update): Write<T>;
    /** Deletes a record. */
    delete(id: ID): Write;
    /** Returns the problems of the refused writes to a record, until they are dismissed. */
    problems(id: ID): Problems;
  }

  /** The view of a cursor in a component. It is immutable; each change makes a new one. */
  export interface HeldCursor<T> {
    readonly records: readonly T[];
    /** The ids of the records that show an unanswered write. */
    readonly pending: ReadonlySet<ID>;
    /** Whether it may be behind the server. */
    readonly stale: boolean;
    /** The reason why the server does not keep it open, or null. */
    readonly error: Failure | null;
  }

  /** The view of a value in a component. It is immutable; each change makes a new one. */
  export interface HeldValue<V> {
    /** The value. It is null if there is none, such as the minimum of no records, and undefined until the server has answered. */
    readonly value: V | null | undefined;
    readonly stale: boolean;
    readonly error: Failure | null;
  }

  /** A client's view of the server, over one connection that it keeps alive. */
  export interface Store {
    readonly state: State;
    /** Whether the connection has ended and will not reconnect. */
    readonly ended: boolean;
    /** Calls a function with the state, now and after each change. Returns a function that unsubscribes. */
    readonly subscribe: (notify: (state: State) => void) => () => void;
    readonly getSnapshot: () => State;

    /**
     * Opens a declared cursor and keeps it current. Equal requests share one cursor.
     * It ends when each of them has closed it.
     */
    cursor<N extends CursorName>(name: N, ...rest: CursorArguments<N>): Cursor<CursorRecord<N>>;

    /**
     * Opens a declared value and keeps it current. Equal requests share one value.
     * It ends when each of them has closed it.
     */
    value<V = number, N extends ValueName = ValueName>(name: N, ...rest: ValueArguments<N>): Value<V>;

    /**
     * Calls an action as soon as there is a connection. URLSearchParams are sent as a
     * form. If the connection is lost before the answer, the call is sent again over the
     * next one, with the same key, so it takes effect once. It rejects with code
     * "disconnected" if the next connection belongs to another user or opens more than
     * half a day later, and with "closed" if there will be none. In both cases the call
     * may or may not have taken effect. With code "session", the call took effect but
     * its sign-in or sign-out was not accepted.
     */
    call<R extends Route>(route: R, ...rest: With<InputOf<R> | URLSearchParams, CallOptions>): Promise<Result<OutputOf<R>>>;

    /** Returns the model of a name. Its routes start with path, by default "/" and the name. */
    model<M extends ModelName, P extends string = `/${M}`>(name: M, path?: P): Model<RecordOf<M>, Fields<`POST ${P}`, RecordOf<M>>, Fields<`PATCH ${P}/{id}`, RecordOf<M>>>;

    /**
     * Calls an action with effects on records. The effects show immediately in every
     * matching cursor, until the server's answer confirms, corrects or undoes them.
     * Writes are sent one after another, each with its key. While they wait for a
     * connection, they are stored on this device and survive the page. They are sent
     * only as the user who made them.
     */
    write<R extends Route>(route: R, input: InputOf<R> | URLSearchParams, effects?: readonly Effect[]): Write<OutputOf<R>>;

    /** The writes that were refused while no caller waited, until they are dismissed. */
    readonly refused: Observable<readonly Refused[]>;

    /** Calls a function with each push of a route. Returns a function that unsubscribes. */
    on<R extends Route>(route: R, listener: (push: Pushed<OutputOf<R>>) => void): () => void;

    /** Closes the connection. It does not reconnect. */
    close(): void;
  }

  /** The name of a transport: a WebSocket, an event stream with requests beside it, or requests alone. */
  export type TransportName = "socket" | "stream" | "poll";

  /** The options of connect. Their defaults are the settings of the page in <meta name="tower">, as JSON. */
  export interface Options {
    /** The URL of the server's socket, beside which are the other transports. The default is the page's server; Node has none. */
    url?: string;
    /** The transports to try, in order. The default is "socket", "stream", "poll". */
    transports?: readonly TransportName[];
    /** Whether pages of this origin share a connection if the browser supports it. The default is true. */
    share?: boolean;
  }

  /** Returns the store of a server. Calls with equal options share one store until its connection has ended. */
  export function connect(options?: Options): Store;

  /** Returns a new id. Each id sorts after the previous one. */
  export function ulid(now?: number): ID;

  /** Numbers and times, written as pages of the server write them. The locale is by default the lang of the page's root element. */
  export declare const format: {
    /** Writes a number with a fixed number of digits after the decimal point, or with as many as it needs, at most three. */
    number(value: number, digits?: number, locale?: string): string;
    /** Writes a ratio as a percentage: 0.5 is 50%. */
    percent(value: number, digits?: number, locale?: string): string;
    /** Writes an amount of money. The currency is an ISO 4217 code. */
    currency(value: number, currency: string, digits?: number, locale?: string): string;
    /** Writes a time by a layout of Go, "2 January 2006, 15:04", in a time zone: by default, the browser's. */
    time(value: Date | string, layout?: string, zone?: string, locale?: string): string;
  };
}

declare module "tower/react" {
  import type { CursorArguments, CursorName, CursorRecord, HeldCursor, HeldValue, State, ValueArguments, ValueName } from "tower";

  /** Follows a cursor while the component is mounted. */
  export function useCursor<N extends CursorName>(name: N, ...rest: CursorArguments<N>): HeldCursor<CursorRecord<N>>;

  /** Follows a value while the component is mounted. */
  export function useValue<V = number, N extends ValueName = ValueName>(name: N, ...rest: ValueArguments<N>): HeldValue<V>;

  /** Follows the state of the page's connection. */
  export function useConnection(): State;
}
