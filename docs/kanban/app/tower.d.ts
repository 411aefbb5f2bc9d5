// What this application declares in Go, for TypeScript, and the library that reads it.
// Written by tower: do not edit. It is right to commit it.

declare module "tower" {
  import type { Card, CardID, Column, EditCard, NewCard } from "tower/types";

  interface Models {
    cards: Card;
  }

  interface Actions {
    "POST /cards": { in: NewCard; out: Card | null };
    "PATCH /cards/{id}": { in: EditCard; out: Card | null };
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

  /** controllers.CardID */
  export interface CardID {
    id?: ID;
  }

  /** controllers.Column */
  export interface Column {
    column: "todo" | "doing" | "done";
  }

  /** controllers.EditCard */
  export interface EditCard {
    id?: ID;
    title?: string | null;
    column?: string | null;
    place?: number | null;
  }

  /** controllers.NewCard */
  export interface NewCard {
    id?: ID;
    title?: string;
    column: "todo" | "doing" | "done";
    place?: number;
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
  /** A record's id: a ULID, which sorts by the time it was made. */
  export type ID = string;

  /** A time as text, in UTC: "2026-11-22T20:20:27.509293Z". */
  export type Time = string;

  /** A whole number of 64 bits. One that JavaScript cannot hold is the text of its digits. */
  export type Int64 = number | string;

  /** What the application declares. Its generated types say what there is. */
  export interface Models {}
  export interface Actions {}
  export interface Cursors {}
  export interface Values {}

  /** A record. */
  export interface Row {
    readonly id: ID;
  }

  /** The names of a registry; any text while nothing has been generated. */
  type NameIn<Registry> = keyof Registry extends never ? string : keyof Registry & string;

  export type ModelName = NameIn<Models>;
  export type CursorName = NameIn<Cursors>;
  export type ValueName = NameIn<Values>;

  /** The record of a model. */
  export type RecordOf<M> = M extends keyof Models ? Models[M] : any;

  /** A declared action, "PATCH /posts/{id}", or one with its path filled in, `PATCH /posts/${post.id}`. */
  export type Route = keyof Actions extends never ? string : keyof Actions | Filled<keyof Actions>;

  type Filled<Pattern> = Pattern extends `${infer Before}{${string}}${infer After}` ? `${Before}${string}${Filled<After>}` : Pattern;

  /** The declared action that a route is of. */
  type Declared<R> = R extends keyof Actions ? R : { [P in keyof Actions]: R extends Filled<P> ? P : never }[keyof Actions];

  /** The names in the braces of a path. */
  type Braces<Pattern> = Pattern extends `${string}{${infer Name}}${infer After}` ? (Name extends `${infer Rest}...` ? Rest : Name) | Braces<After> : never;

  type Require<Fields, Names> = Omit<Fields, Names & keyof Fields> & { [N in Names & keyof Fields]-?: Exclude<Fields[N], undefined> };

  type At<Registry, Name, Part extends string> = Name extends keyof Registry ? (Registry[Name] extends { [P in Part]: infer Found } ? Found : any) : any;

  /** What an action takes. What its path says already need not be given. */
  export type InputOf<R> = keyof Actions extends never
    ? any
    : R extends keyof Actions
      ? Require<At<Actions, R, "in">, Braces<R>>
      : Omit<At<Actions, Declared<R>, "in">, Braces<Declared<R>>>;

  /** What an action gives. */
  export type OutputOf<R> = keyof Actions extends never ? any : At<Actions, Declared<R>, "out">;

  /** An input, which may be left out where nothing in it is required, and what follows it. */
  type With<Input, Options> = {} extends Input ? [input?: Input, options?: Options] : [input: Input, options?: Options];

  /** Why something was refused. */
  export interface Failure {
    readonly code: string;
    readonly message: string;
    readonly problems?: Problems;
  }

  /** Messages by field; "" holds those of the whole. */
  export type Problems = Record<string, string[]>;

  /** What went wrong, for a program (code) and for a person (message). */
  export class TowerError extends Error {
    readonly code: string;
    constructor(failure: Failure);
  }

  /** What a store knows of its connection. Each change makes a new one. */
  export interface State {
    readonly online: boolean;
    /** How the server is reached: "socket", "stream" or "poll"; "" while it is not. */
    readonly transport: string;
    readonly epoch: string;
    readonly build: string;
    /** The last commit that has been applied, or that the server had when it said hello. */
    readonly seq: number;
    /** The id of the current user; "" for a visitor. */
    readonly user: ID;
    /** The routes that this user may call. */
    readonly actions: readonly string[];
    /** The cursors that this user may open. */
    readonly cursors: readonly string[];
    /** Why the last connection ended, while there is no other. */
    readonly closed: Closed | null;
    /** How many writes the server has not answered. */
    readonly pending: number;
    /** Whether those survive the page: not in Node, nor where a browser keeps nothing, nor before the user is known. */
    readonly durable: boolean;
  }

  /** Why a connection has ended, in the codes of WebSocket. */
  export interface Closed {
    readonly code: number;
    readonly reason: string;
  }

  /** What an action answered. */
  export interface Result<Out = unknown> {
    readonly status: number;
    readonly out: Out | undefined;
    readonly error: Failure | null;
    /** Messages by field; "" holds those of the whole. */
    readonly problems: Problems;
    /** Where a form's sender goes next; "" if nowhere. */
    readonly location: string;
    /** Whether someone has been signed in or out. */
    readonly session: boolean;
    /** Whether it had taken effect when it was sent before; out may not be known any more then. */
    readonly repeated: boolean;
  }

  /** What an action produced for everyone it ran for. */
  export type Pushed<Out = unknown> = Pick<Result<Out>, "status" | "out" | "error">;

  export interface CallOptions {
    /** Ends the wait for a connection and for the answer. A call that was sent may still take effect. */
    signal?: AbortSignal;
    /** A ULID. Calls with one key take effect once: for sending again what was lost. */
    key?: string;
  }

  /** A test of a field: a value that it is, or operators that it meets. */
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

  /** Conditions, all of which a record meets. */
  export type Where<T, Fields extends keyof T = keyof T> = { readonly [F in Fields]?: Test<T[F]> } & {
    readonly and?: readonly Where<T, Fields>[];
    readonly or?: readonly Where<T, Fields>[];
    readonly not?: Where<T, Fields>;
  };

  /** What a client adds to a cursor, on the fields that the application allows. */
  export interface Narrowing<T = any, Fields extends keyof T = keyof T> {
    where?: Where<T, Fields>;
    /** Fields, each with a "-" before it for the greatest first. */
    order?: readonly (Fields & string | `-${Fields & string}`)[];
    limit?: number;
  }

  export interface CursorOptions<T = any, Fields extends keyof T = keyof T> extends Narrowing<T, Fields> {
    /** Keeps the last records on this device, for a start without a connection. */
    keep?: boolean;
  }

  /** The record of a cursor. */
  export type CursorRecord<N> = At<Cursors, N, "record"> extends infer T extends Row ? T : any;

  /** What follows a cursor's name: its input, and what the client adds. */
  export type CursorArguments<N> = With<At<Cursors, N, "in">, CursorOptions<CursorRecord<N>, At<Cursors, N, "narrow"> & keyof CursorRecord<N>>>;

  /** What follows a value's name. */
  export type ValueArguments<N> = With<At<Values, N, "in">, Pick<Narrowing<Record<At<Values, N, "narrow"> & string, any>>, "where">>;

  /** What is followed: it can be subscribed to, as a store of Svelte's and with React's useSyncExternalStore. */
  export interface Followed<V> {
    /** Whether it may be behind the server. */
    readonly stale: boolean;
    /** Why the server does not keep it open. */
    readonly error: Failure | null;
    /** Settles with the server's first answer: what there is, or the reason why there is nothing. */
    readonly ready: Promise<V>;
    /** Calls a function with what there is, now and whenever it or stale has changed. Returns what ends that. */
    readonly subscribe: (tell: (held: V) => void) => () => void;
    /** What there is; the same until it changes. */
    readonly getSnapshot: () => V;
    /** Gives it back. It ends when everyone who asked the store for it has done so. */
    readonly close: () => void;
  }

  /**
   * A list of records that is kept as the server would answer it now, with what this
   * client wrote and the server has not answered.
   */
  export interface Cursor<T extends Row = any> extends Followed<readonly T[]> {
    /** The records; the same array until they, or what is pending, change. */
    readonly records: readonly T[];
    readonly count: number;
    /** The ids of the records in it that show a write which has not been answered. */
    readonly pending: ReadonlySet<ID>;
    /** The records of a model that the cursor includes, by id: those that its own refer to, as far as the user may see them. */
    included<M extends ModelName>(model: M): ReadonlyMap<ID, RecordOf<M>>;
  }

  /** A count, a sum or its like, kept as the server would answer it now. */
  export interface Value<V = number> extends Followed<V | null | undefined> {
    /** The value: null where there is none, as of the least of no records; undefined until the server has said it. */
    readonly value: V | null | undefined;
  }

  /** A value that can be subscribed to. */
  export interface Observable<T> {
    readonly value: T;
    readonly subscribe: (tell: (value: T) => void) => () => void;
    readonly getSnapshot: () => T;
  }

  /** What a write does to a record on this client, until the server has said what it did. */
  export type Effect = {
    [M in ModelName]: {
      readonly op: "create" | "update" | "delete";
      readonly model: M;
      readonly id: ID;
      /** What fields become. */
      readonly set?: Readonly<Partial<RecordOf<M>>>;
    };
  }[ModelName];

  /**
   * What has happened on this client, and will happen on the server as soon as that
   * can be reached. Await it for the server's answer, which says as well what was
   * wrong with it. One that is refused while nobody waits for it is put on the
   * store's list of refused writes.
   */
  export interface Write<Out = unknown> extends PromiseLike<Result<Out>> {
    /** The call's key: a ULID that grows from write to write. */
    readonly key: string;
    /** The id of the record that it makes or changes; "" if it says of none. */
    readonly id: ID;
  }

  /** A write that was refused, and that nobody waited for. */
  export interface Refused {
    readonly key: string;
    readonly call: string;
    readonly in?: unknown;
    readonly form?: string;
    readonly effects: readonly Effect[];
    readonly error: Failure;
    /** Sends it again, as another write. */
    retry(): Write;
    /** Takes it off the list. */
    dismiss(): void;
  }

  /** What an action takes besides what is in its path; where there is no such action, fields of a record. */
  type Fields<R, T> = R extends keyof Actions ? Omit<At<Actions, R, "in">, Braces<R>> : Partial<T>;

  /**
   * Where records of one kind are made, changed and deleted, by the routes POST path,
   * PATCH path/{id} and DELETE path/{id}. What is written shows at once in the store's
   * cursors, and is sent as soon as the server can be reached.
   */
  export interface Model<T extends Row = any, Create = Partial<T>, Update = Partial<T>> {
    readonly name: string;
    readonly path: string;
    /** Makes a record. Its id is made here, unless it is given, and is final. */
    create(fields: Create): Write<T>;
    /** Changes fields of a record. Those that are not named stay as they are. */
    update(id: ID, fields: Update): Write<T>;
    delete(id: ID): Write;
    /** What was wrong with the writes to a record that were refused and have not been dismissed. */
    problems(id: ID): Problems;
  }

  /** What a component sees of a cursor. Each change makes a new one. */
  export interface HeldCursor<T> {
    readonly records: readonly T[];
    /** The ids of the records that show a write which the server has not answered. */
    readonly pending: ReadonlySet<ID>;
    /** Whether it may be behind the server. */
    readonly stale: boolean;
    /** Why the server does not keep it open. */
    readonly error: Failure | null;
  }

  /** What a component sees of a value. Each change makes a new one. */
  export interface HeldValue<V> {
    /** null where there is none, as of the least of no records; undefined until the server has said it. */
    readonly value: V | null | undefined;
    readonly stale: boolean;
    readonly error: Failure | null;
  }

  /** What a client sees of the server, over one connection that is kept alive. */
  export interface Store {
    readonly state: State;
    /** Whether the connection has ended for good. */
    readonly ended: boolean;
    /** Calls a function with the state, now and after each change. Returns what ends that. */
    readonly subscribe: (tell: (state: State) => void) => () => void;
    readonly getSnapshot: () => State;

    /**
     * Opens a declared cursor and keeps it current. Who asks for an equal one gets
     * the same; it ends when each has closed it.
     */
    cursor<N extends CursorName>(name: N, ...rest: CursorArguments<N>): Cursor<CursorRecord<N>>;

    /**
     * Opens a declared value and keeps it current. Who asks for an equal one gets
     * the same; it ends when each has closed it.
     */
    value<V = number, N extends ValueName = ValueName>(name: N, ...rest: ValueArguments<N>): Value<V>;

    /**
     * Calls an action, as soon as there is a connection; URLSearchParams are sent
     * as a form. When the connection is lost before the answer, the call is sent
     * again over the next one, under its key: it takes effect once. Rejects with
     * code "disconnected" if that is the connection of another user, or comes half
     * a day later, and with "closed" if there will be none: then the call may have
     * taken effect, or not. With code "session" it has taken effect, but its
     * sign-in or sign-out was not accepted.
     */
    call<R extends Route>(route: R, ...rest: With<InputOf<R> | URLSearchParams, CallOptions>): Promise<Result<OutputOf<R>>>;

    /** The model with that name, whose routes are below a path: by default "/" and its name. */
    model<M extends ModelName, P extends string = `/${M}`>(name: M, path?: P): Model<RecordOf<M>, Fields<`POST ${P}`, RecordOf<M>>, Fields<`PATCH ${P}/{id}`, RecordOf<M>>>;

    /**
     * Calls an action with an effect on records. That shows at once in every cursor
     * that they match, until the server's answer keeps it, corrects it or takes it
     * back. Writes are sent one after another, under their keys; those that wait for
     * a connection are kept on this device, survive the page, and are only sent as
     * the user who made them.
     */
    write<R extends Route>(route: R, input: InputOf<R> | URLSearchParams, effects?: readonly Effect[]): Write<OutputOf<R>>;

    /** The writes that were refused while nobody waited for them, until they are dismissed. */
    readonly refused: Observable<readonly Refused[]>;

    /** Calls a function with what the server pushes under a route. Returns what ends that. */
    on<R extends Route>(route: R, listener: (push: Pushed<OutputOf<R>>) => void): () => void;

    /** Ends the connection for good. */
    close(): void;
  }

  /** A way to reach the server: a WebSocket, an event stream with requests beside it, or requests alone. */
  export type TransportName = "socket" | "stream" | "poll";

  /** What is not said is what the page says in <meta name="tower">, as JSON. */
  export interface Options {
    /** The server's socket, which has the other transports beside it; by default that of the page's own server. In Node there is no default. */
    url?: string;
    /** How to reach the server: the first that works. By default "socket", then "stream", then "poll". */
    transports?: readonly TransportName[];
    /** Whether the pages of this origin share a connection where the browser lets them. By default they do. */
    share?: boolean;
  }

  /** The store of a server. Every part of a page that connects to one in the same way shares it. */
  export function connect(options?: Options): Store;

  /** A new id. Each sorts after the one before. */
  export function ulid(now?: number): ID;
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
