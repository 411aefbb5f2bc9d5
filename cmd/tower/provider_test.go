//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower/internal/systemtest/fetched"
)

// newProvider configures an application for a provider that does not run yet.
func (a *testApp) newProvider() *fetched.Provider {
	a.t.Helper()
	known := filepath.Join(a.harness.folder, "users.json")
	provider := fetched.NewProvider(a.t, a.url+"/session/by/oidc/callback", "USERS_FILE="+known)
	type user struct {
		ID, Username, Password, FirstName, LastName, Email string
		EmailVerified                                      bool
	}
	users := map[string]user{}
	for _, one := range []user{{FirstName: "Cleo", EmailVerified: true}, {FirstName: "Bob", EmailVerified: true}, {FirstName: "Eve"}} {
		one.ID, one.Username, one.Password, one.LastName, one.Email = one.FirstName, one.FirstName, "verysecure", "Example", strings.ToLower(one.FirstName)+"@example.com"
		users[one.ID] = one
	}
	text, err := json.Marshal(users)
	if err == nil {
		err = os.WriteFile(known, text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(a.folder, ".env"), []byte("OIDC_NAME=Example\nOIDC_CLIENT_ID=web\nOIDC_CLIENT_SECRET=secret\nOIDC_ISSUER="+provider.Issuer+"\n"), 0o600)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return provider
}

// startProvider starts a provider, and waits until it answers.
func startProvider(t *testing.T, p *fetched.Provider) {
	t.Helper()
	p.Start(t)
	eventually(t, "the provider answers", func() bool {
		answer, err := http.Get(p.Issuer + ".well-known/openid-configuration")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil && answer.StatusCode == http.StatusOK
	})
}

// enters signs in at a provider, where the tab is.
func (p *tab) enters(at *fetched.Provider, name string) {
	p.t.Helper()
	p.until("the provider", fmt.Sprintf(`location.href.startsWith(%q) && (form => form && (form.username.value = %q, form.password.value = "verysecure", form.submit(), true))(document.forms[0])`, at.Issuer, name))
}

// reads waits until the heading of the page is a text.
func (p *tab) reads(heading string) {
	p.t.Helper()
	p.until(heading, fmt.Sprintf(`document.querySelector("main h1")?.innerText == %q && document.documentElement.dataset.tower == "online"`, heading))
}

// testProvider signs up and in at a provider, and links an account there. The provider is away, refuses, and does
// not confirm addresses.
func testProvider(t *testing.T, a *testApp, at *fetched.Provider, b *browser) {
	cleo := b.tab("Cleo", a.url)
	cleo.visit("/session/new")
	cleo.clicks("Continue with Example")
	cleo.reads("Example does not answer")
	startProvider(t, at)
	cleo.clicks("Back to sign in")
	for range 2 {
		cleo.at("/session/new")
		cleo.clicks("Continue with Example")
		cleo.enters(at, "Cleo")
		cleo.at("/")
		cleo.until("Cleo", `document.querySelector(".who").innerText == "Cleo Example"`)
		cleo.visit("/account")
		cleo.until("both accounts", `["cleo@example.com", "by Example", "last used"].every(text => document.querySelector("main").innerText.includes(text))`)
		cleo.signOut()
	}

	bob := b.tab("Bob", a.url)
	bob.signUp(a, "bob@example.com", "Bob")
	bob.signOut()
	bob.clicks("Continue with Example")
	bob.enters(at, "Bob")
	bob.reads("You have an account")
	bob.clicks("Go on")
	bob.at("/session/new")
	bob.mailsCode(a, "bob@example.com", "/account/openids/oidc/new")
	bob.reads("Link Example?")
	bob.clicks("Go on to Example")
	bob.enters(at, "Bob")
	bob.at("/account")
	bob.until("the link", `document.querySelector("[aria-label='Remove Example']")`)
	bob.signOut()
	bob.clicks("Continue with Example")
	bob.enters(at, "Bob")
	bob.at("/")

	eve := b.tab("Eve", a.url)
	eve.visit("/account/new")
	eve.clicks("Continue with Example")
	eve.enters(at, "Eve")
	eve.reads("Your address is not confirmed")
	state := eve.state(at, func() {
		eve.clicks("Back to sign in")
		eve.at("/session/new")
		eve.clicks("Continue with Example")
	})
	eve.do(chromedp.Navigate(a.url + "/session/by/oidc/callback?" + url.Values{"error": {"access_denied"}, "state": {state}}.Encode()))
	eve.reads("Nobody was signed in")
	eve.until("who has stopped", `document.querySelector(".lead").innerText.includes("You have stopped at Example") && document.querySelector(".who").innerText == "Sign in"`)
}

// state returns the state with which the tab goes to a provider.
func (p *tab) state(at *fetched.Provider, goes func()) (state string) {
	p.t.Helper()
	var mu sync.Mutex
	err := chromedp.Listen(p.ctx, func(event any) {
		request, is := event.(*network.EventRequestWillBeSent)
		if !is {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if to, err := url.Parse(request.Request.URL); err == nil && to.Query().Has("state") {
			state = to.Query().Get("state")
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(command(network.Enable, network.EnableParams{}))
	goes()
	p.until("the provider", fmt.Sprintf(`location.href.startsWith(%q)`, at.Issuer))
	mu.Lock()
	defer mu.Unlock()
	return state
}
