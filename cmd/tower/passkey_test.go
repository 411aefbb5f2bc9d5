//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower/totp"
)

// A browser signs up by mail, adds a passkey and a second step, signs in by the passkey alone, loses
// the device, and signs in by mail again, with the second step.
func TestPasskeysInABrowser(t *testing.T) {
	w := newHarness(t)
	a := w.newApp("club")
	w.must(w.folder, "new", "club", "--vendor=false")
	a.run("generate", "auth")
	a.run("generate", "auth", "--passkey", "--totp")
	a.serve()
	a.waitRunning()

	p := openBrowser(t).tab("Ada", a.url)
	device := p.addDevice()
	p.visit("/account/new")
	p.fillIn("email", "ada@example.com")
	p.enterCode(a, "/account/welcome")
	p.fillIn("name", "Ada")
	p.at("/")

	p.visit("/account")
	p.visit("/account/passkeys/new")
	p.fillIn("name", "Engine")
	p.at("/account")
	p.until("the passkey", `document.querySelector("main").innerText.includes("Engine") && document.body.innerText.includes("not used yet")`)

	p.visit("/account/authenticator/new")
	secret, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.querySelector("[name=secret]").value`))
	if err != nil {
		t.Fatal(err)
	}
	p.fillIn("code", codeAfter(t, secret, 0))
	p.at("/account")

	p.signOut()
	p.usePasskey()
	p.until("Ada", `document.querySelector(".who").textContent.includes("Ada")`)
	p.visit("/account")
	p.until("its use", `document.querySelector("main").innerText.includes("last used") && document.querySelector("main").innerText.includes("by passkey")`)

	p.do(command(webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: device}))
	p.until("the button", `(button => button && (button.click(), true))(document.querySelector("[aria-label='Remove Engine']"))`)
	p.until("no passkey", `!document.querySelector("main").innerText.includes("Engine")`)
	p.signOut()
	p.until("the form", `(form => { form.elements.email.value = "ada@example.com"; form.requestSubmit(form.querySelector("[value=mail]")); return true; })(document.querySelector("form:has([type=password])"))`)
	p.enterCode(a, "/session/step")
	p.fillIn("code", codeAfter(t, secret, 30*time.Second)) // another one
	p.at("/")
	p.until("Ada", `document.querySelector(".who").textContent.includes("Ada")`)
}

func codeAfter(t *testing.T, secret string, after time.Duration) string {
	t.Helper()
	code, err := totp.Code(secret, time.Now().Add(after))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// command returns a step that runs a command of the browser.
func command[P any](which cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, which, params)
		return none, err
	}
}

// addDevice gives the tab a device that can have passkeys, and that its owner has unlocked.
func (p *tab) addDevice() webauthn.AuthenticatorID {
	p.t.Helper()
	p.do(command(webauthn.Enable, webauthn.EnableParams{}))
	added, err := chromedp.Run(p.ctx, func(ctx context.Context, target *chromedp.Target) (webauthn.AddVirtualAuthenticatorResult, error) {
		return cdp.Call(ctx, target, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true,
			HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return added.AuthenticatorID
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

// usePasskey presses the button, unless the browser has answered to the offer in the field.
func (p *tab) usePasskey() {
	p.t.Helper()
	p.until("a passkey", `location.pathname != "/session/new" || (button => button && (button.click(), true))(document.querySelector("[data-passkey] button"))`)
}

// enterCode enters the code of the newest mail.
func (p *tab) enterCode(a *testApp, then string) {
	p.t.Helper()
	p.at("/session/code")
	code := ""
	eventually(p.t, "there is a mail", func() bool {
		found := regexp.MustCompile(`href="(/_tower/mail/\w+)`).FindStringSubmatch(a.fetch("/_tower/mail"))
		if found != nil {
			code = regexp.MustCompile(`\b[A-Z2-7]{4}-[A-Z2-7]{4}\b`).FindString(a.fetch(found[1] + "/html"))
		}
		return code != ""
	})
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
