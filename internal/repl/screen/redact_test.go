package screen

import (
	"testing"

	"github.com/towerkit/tower/internal/repl/fakeapp"
)

func TestSecretsAreNotKept(t *testing.T) {
	for code, want := range map[string]string{
		`Post.create({title: "Hi"})`:                                      `Post.create({title: "Hi"})`,
		`User.create({name: "ada", passwordHash: "abc"})`:                 `User.create({name: "ada", passwordHash: REDACTED})`,
		`User.create({name: "ada", "passwordHash": 'a\'bc' })`:            `User.create({name: "ada", "passwordHash": REDACTED })`,
		`as(null).home.signIn({email: "a@b", password: "hunter2"})`:       `as(null).home.signIn({email: "a@b", password: REDACTED})`,
		`let apiKey = "abc", x = "abc"`:                                   `let apiKey = REDACTED, x = "abc"`,
		`user.resetToken = 12345`:                                         `user.resetToken = REDACTED`,
		`User.where({passwordHash: {is: "x"}})`:                           `User.where({passwordHash: {is: REDACTED}})`,
		`User.where({passwordHash: {in: ["x", "y"]}, name: "z"})`:         `User.where({passwordHash: {in: [REDACTED, REDACTED]}, name: "z"})`,
		"let secret = `a ${b + `c`} d`; 1":                                "let secret = REDACTED; 1",
		`f("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x")`:                     `f(REDACTED)`,
		`f("Bearer abc")`:                                                 `f(REDACTED)`,
		`f("sk_live_4eC39HqLyjWDarjtT1zdp7dc")`:                           `f(REDACTED)`,
		`f("ghp_16C7e42F292c6912E7710c838347Ae178B4a")`:                   `f(REDACTED)`,
		`f("twr_01JB0000000000000000000ADAXYZ")`:                          `f(REDACTED)`,
		`f("postgres://ada:pw@host/db")`:                                  `f(REDACTED)`,
		`f("https://host/a:b@c")`:                                         `f("https://host/a:b@c")`,
		`f("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0")`: `f(REDACTED)`,
		`Post.find("01JB0000000000000000000ADA")`:                         `Post.find("01JB0000000000000000000ADA")`,
		`f("a long sentence that a person has written by hand, in 2026")`: `f("a long sentence that a person has written by hand, in 2026")`,
		`f("a-very-long-slug-that-a-person-has-written-by-hand")`:         `f("a-very-long-slug-that-a-person-has-written-by-hand")`,
		`// password: "x"`:                                                `// password: "x"`,
		`({passes: "x", compass: "y", tokens: 3})`:                        `({passes: "x", compass: "y", tokens: 3})`,
		`password ? "a" : "b"`:                                            `password ? "a" : "b"`,
		`let password = "unfinished`:                                      `let password = REDACTED`,
		`ada.setPassword("hunter2", 7)`:                                   `ada.setPassword(REDACTED, REDACTED)`,
		"let token = `unfinished ${":                                      "let token = REDACTED",
	} {
		if got := redact(code, fakeapp.Models); got != want {
			t.Errorf("%s\n got %s\nwant %s", code, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("let token = `${'x'}`; f({password: [1, \"a\"")
	f.Fuzz(func(_ *testing.T, code string) { redact(code, fakeapp.Models) })
}
