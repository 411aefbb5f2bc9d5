/** A route with what is in its braces filled in from an input: "PATCH /posts/{id}" and { id }. */
export function fillPath(route: string, input: any): string {
  return route.replace(/{(\w+)\.*}/g, (_, name: string) => {
    const value = input instanceof URLSearchParams ? input.get(name) : input?.[name];
    if (value === "" || value == null) throw new TypeError(`tower: ${route} needs ${name}`);
    return encodeURIComponent(value);
  });
}
