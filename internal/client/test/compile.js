// Prints the compiled JavaScript of a Svelte component.
import { readFileSync } from "node:fs";
import { compile } from "svelte/compiler";

const [filename] = process.argv.slice(2);
process.stdout.write(compile(readFileSync(filename, "utf8"), { filename, generate: "client" }).js.code);
