package script

import (
	"strings"
	"testing"
)

// Values that lead to themselves, and values that are very deep, are an error of the code
// or are shown cut off. The session goes on.
func TestNestingWithoutEnd(t *testing.T) {
	const cyclic, deep = "TypeError: Cyclic __proto__ value", "nested too deeply"
	for code, want := range map[string]string{
		`let q = {}; q.__proto__ = q`:                                                     cyclic,
		`let q = {}, r = {}; q.__proto__ = r; Object.setPrototypeOf(r, q)`:                cyclic,
		`Object.setPrototypeOf(Array.prototype, [])`:                                      cyclic,
		`let q = {}; q.__proto__ = new Proxy(q, {}); q.x`:                                 cyclic,
		`let q = {}; Object.setPrototypeOf(q, new Proxy(new Proxy(q, {}), {})); "x" in q`: cyclic,
		`let q = {}; Reflect.setPrototypeOf(q, Proxy.revocable(q, {}).proxy); q`:          cyclic,
		`let q = {}; q.__proto__ = new Proxy({}, q); q.x`:                                 cyclic,
		`let q = {}; q.__proto__ = Object.create(new Proxy(q, {})); for (let k in q) {}`:  cyclic,
		`let q = {}, p = new Proxy({}, {getPrototypeOf: () => q}); q.__proto__ = p; q.x`:  "",

		`let a = []; a[0] = a; String(a)`:                                                 "",
		`let a = []; a[0] = a; a.flat(Infinity)`:                                          deep,
		`let a = []; a[0] = new Proxy(a, {}); a.flat(Infinity)`:                           deep,
		`let a = []; a.push(a, a); a.flat(1e9)`:                                           deep,
		`(() => { let a = 1; for (let i = 0; i < 3000; i++) a = [a, a]; a.flat(1e9) })()`: deep,
		`let a = 1; for (let i = 0; i < 200000; i++) a = [a]; String(a)`:                  deep,
		`let a = 1; for (let i = 0; i < 200000; i++) a = [a]; a.toLocaleString()`:         deep,
		`let a = 1; for (let i = 0; i < 200000; i++) a = [a]; a`:                          "",
		`let o = {}; for (let i = 0; i < 200000; i++) o = {o}; print(o); o`:               "",
		`let o = {}; o.o = o; o.set = new Set([o]); print(o); o`:                          "",
		`JSON.parse("[".repeat(2e6) + "]".repeat(2e6))`:                                   deep,
		`JSON.parse('{"a":'.repeat(2e6))`:                                                 deep,
		`throw {get message() { throw this }}`:                                            "",
	} {
		s := newSession(t)
		_, failed := s.run(code)
		if want != "" && !strings.Contains(failed, want) {
			t.Errorf("%s\n%q, not %q", code, failed, want)
		}
		if got := s.must(`[1, [2, [3]]].flat(Infinity).join() + String([4, [5]]) + JSON.parse('{"a":["[["]}').a[0]`); got != `"1,2,34,5[["` {
			t.Fatalf("%s\nthen %s", code, got)
		}
	}
	s := newSession(t)
	for code, want := range map[string]string{
		`let k = {x: 1}, l = {}; l.__proto__ = k; l.x`:                   "1",
		`Object.setPrototypeOf({}, null) instanceof Object`:              "false",
		`Object.setPrototypeOf({}, new Proxy({y: 2}, {})).y`:             "2",
		`Object.getPrototypeOf({__proto__: null})`:                       "null",
		`[[1, [2]], 3].flat().length`:                                    "3",
		`[].join.name + JSON.parse.name`:                                 `"joinparse"`,
		`try { JSON.parse() } catch (e) { e.name }`:                      `"SyntaxError"`,
		`try { JSON.parse("{") } catch (e) { e instanceof SyntaxError }`: "true",
		`JSON.parse("[1,2]", (k, v) => k ? v * 2 : v)`:                   "[2,4]",
		`[1, 2].join("-")`:                                               `"1-2"`,
	} {
		if got := s.must(code); got != want {
			t.Errorf("%s: %s, not %s", code, got, want)
		}
	}
}
