// What the library is, held against what types/tower.d.ts says of it. tsc checks it.

import * as library from "../src/index";
import * as react from "../src/bind/react";
import * as svelte from "../src/bind/svelte";
import * as vue from "../src/bind/vue";
import type * as declared from "../types/tower";

type Declared = typeof declared;
type Library = typeof library;

/** What is exported for the library itself, or as a class where a type is enough. */
type Internal = "Cursor" | "Model" | "Store" | "Value" | "Write";

export const satisfies: Declared = library;
export const complete: Exclude<keyof Library, keyof Declared | Internal> extends never ? true : never = true;

/** Members that only the library's own parts use. */
type Followed = "request" | "model" | "seq" | "since" | "replace" | "apply" | "notify" | "find" | "scope" | "served" | "show";

type Unsaid<Real, Said, Own> = Exclude<keyof Real, keyof Said | Own> extends never ? true : Exclude<keyof Real, keyof Said | Own>;

export const store: Unsaid<library.Store, declared.Store, "addList" | "now" | "removeList" | "unattended"> = true;
export const cursor: Unsaid<library.Cursor, declared.Cursor, Followed> = true;
export const value: Unsaid<library.Value, declared.Value, Followed> = true;
export const state: Unsaid<library.State, declared.State, never> = true;
export const result: Unsaid<library.Result, declared.Result, never> = true;
export const options: Unsaid<library.Options, declared.Options, never> = true;

export const inReact: typeof import("../types/react") = react;
export const inSvelte: typeof import("../types/svelte") = svelte;
export const inVue: typeof import("../types/vue") = vue;
