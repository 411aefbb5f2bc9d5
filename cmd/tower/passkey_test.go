//go:build unix

package main

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower/totp"
)

// testPasskeys signs up by mail, adds a passkey and a second step, signs in by the passkey alone, loses
// the device, and signs in by mail again, with the second step.
func testPasskeys(t *testing.T, a *testApp, b *browser) {
	p := b.tab("Ada", a.url)
	device := p.addDevice()
	p.signUp(a, "ada@example.com", "Ada")

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
	p.mailsCode(a, "ada@example.com", "/session/step")
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

// usePasskey presses the button, unless the browser has answered to the offer in the field.
func (p *tab) usePasskey() {
	p.t.Helper()
	p.until("a passkey", `location.pathname != "/session/new" || (button => button && (button.click(), true))(document.querySelector("[data-passkey] button"))`)
}
