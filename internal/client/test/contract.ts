// Compares the library with the declarations in types. tsc checks it.

import * as library from "../src/index";
import * as react from "../src/bind/react";
import * as svelte from "../src/bind/svelte";
import * as vue from "../src/bind/vue";
import type * as declared from "../types/tower";

type Declared = typeof declared;
type Library = typeof library;

/** Exports for the library itself, and classes that are declared as types only. */
type Internal = "Cursor" | "Model" | "Store" | "Value" | "Write";

export const satisfies: Declared = library;
export const complete: Exclude<keyof Library, keyof Declared | Internal> extends never ? true : never = true;

/** Members for the library's own use. */
type Followed = "request" | "model" | "seq" | "since" | "replace" | "apply" | "notify" | "find" | "scope" | "served" | "show" | "checksums";

/** True, or else the members that are neither declared nor internal. */
type Undeclared<Real, Declared, Own> = Exclude<keyof Real, keyof Declared | Own> extends never ? true : Exclude<keyof Real, keyof Declared | Own>;

export const store: Undeclared<library.Store, declared.Store, "addList" | "exchanged" | "now" | "removeList" | "unattended"> = true;
export const cursor: Undeclared<library.Cursor, declared.Cursor, Followed> = true;
export const value: Undeclared<library.Value, declared.Value, Followed> = true;
export const state: Undeclared<library.State, declared.State, never> = true;
export const result: Undeclared<library.Result, declared.Result, never> = true;
export const options: Undeclared<library.Options, declared.Options, never> = true;

export const inReact: typeof import("../types/react") = react;
export const inSvelte: typeof import("../types/svelte") = svelte;
export const inVue: typeof import("../types/vue") = vue;
