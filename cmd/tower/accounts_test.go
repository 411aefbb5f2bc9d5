//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestAccountsInABrowser generates all kinds of accounts in one application, and uses them in Chromium.
func TestAccountsInABrowser(t *testing.T) {
	w := newHarness(t)
	a := w.newApp("club")
	w.must(w.folder, "new", "club", "--vendor=false")
	a.run("generate", "auth")
	a.run("generate", "auth", "--passkey", "--totp", "--oidc", "--teams", "--api")
	elsewhere := a.newProvider()
	a.serve()
	a.waitRunning()
	chromium := openBrowser(t).ctx
	t.Run("passkeys", func(t *testing.T) { testPasskeys(t, a, &browser{t, chromium}) })
	t.Run("provider", func(t *testing.T) { testProvider(t, a, elsewhere, &browser{t, chromium}) })
	t.Run("keyboard", func(t *testing.T) { testKeyboard(t, a, &browser{t, chromium}) })
}

// signUp signs up by mail.
func (p *tab) signUp(a *testApp, email, name string) {
	p.t.Helper()
	p.visit("/account/new")
	p.fillIn("email", email)
	p.enterCode(a, email, "/account/welcome")
	p.fillIn("name", name)
	p.at("/")
}

// mailsCode asks for a mail on the page to sign in, and enters its code.
func (p *tab) mailsCode(a *testApp, email, then string) {
	p.t.Helper()
	p.until("the form", fmt.Sprintf(`(form => form && (form.elements.email.value = %q, form.requestSubmit(form.querySelector("[value=mail]")), true))(document.querySelector("form:has([type=password])"))`, email))
	p.enterCode(a, email, then)
}

// clicks clicks the link or the button with a text.
func (p *tab) clicks(text string) {
	p.t.Helper()
	p.until(text, fmt.Sprintf(`(it => it && (it.click(), true))([...document.querySelectorAll("main :is(a, button)")].find(it => it.innerText == %q))`, text))
}

// fillIn fills in a field, and submits its form.
func (p *tab) fillIn(name, value string) {
	p.t.Helper()
	p.until("the field "+name, fmt.Sprintf(`(box => box && (box.value = %q, box.form.requestSubmit(), true))(document.querySelector("main form [name=%s]"))`, value, name))
}

// at waits until a page is open and live.
func (p *tab) at(path string) {
	p.t.Helper()
	p.until("the page "+path, fmt.Sprintf(`location.pathname == %q && document.documentElement.dataset.tower == "online"`, path))
}

func (p *tab) signOut() {
	p.t.Helper()
	p.visit("/account")
	p.until("the button", `(form => form && (form.requestSubmit(), true))(document.querySelector(".head form[action*='/session?']"))`)
	p.until("a visitor", `document.querySelector(".who").textContent.includes("Sign in")`)
}

// enterCode enters the code of the newest mail to an address.
func (p *tab) enterCode(a *testApp, email, then string) {
	p.t.Helper()
	p.at("/session/code")
	code := a.newestMail(email, `\b[A-Z2-7]{4}-[A-Z2-7]{4}\b`)
	p.fillIn("code", code)
	p.at(then)
}

func (a *testApp) fetch(path string) string {
	a.t.Helper()
	answer, err := http.Get(a.url + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}
