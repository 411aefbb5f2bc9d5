/** Replaces the names in the braces of a route, such as "PATCH /posts/{id}", by values of the input. */
export function fillPath(route: string, input: any): string {
  return route.replace(/{(\w+)\.*}/g, (_, name: string) => {
    const value = input instanceof URLSearchParams ? input.get(name) : input?.[name];
    if (value === "" || value == null) throw new TypeError(`tower: ${route} needs ${name}`);
    return encodeURIComponent(value);
  });
}
