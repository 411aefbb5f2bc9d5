/** A route with what is in its braces filled in from an input: "PATCH /posts/{id}" and { id }. */
export function filled(route: string, input: unknown): string {
  return route.replace(/\{(\w+)(?:\.\.\.)?\}/g, (brace, name: string) => {
    const value = input instanceof URLSearchParams ? input.get(name) : (input as Record<string, unknown> | null)?.[name];
    if (value === undefined || value === null || value === "") throw new TypeError(`tower: ${route} needs ${name}`);
    const text = String(value);
    return brace.endsWith("...}") ? text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(text);
  });
}
