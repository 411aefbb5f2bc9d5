package oidc_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/fetched"
	"github.com/towerkit/tower/oidc"
)

// signIn goes to an address of the provider as a browser, signs in there, and returns the query with which it comes back.
func signIn(t *testing.T, to, callback string) url.Values {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	var back url.Values
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			back = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	form := url.Values{"id": {page.Request.URL.Query().Get("authRequestID")}, "username": {"test-user@localhost"}, "password": {"verysecure"}}
	sent, err := browser.PostForm(page.Request.URL.String(), form)
	if err != nil {
		t.Fatal(err)
	}
	sent.Body.Close()
	if back.Get("code") == "" {
		t.Fatalf("from %s one comes to %s (%s) and back with %v", page.Request.URL, sent.Request.URL, sent.Status, back)
	}
	return back
}

// TestAnotherProvider signs in at a provider that is not ours.
func TestAnotherProvider(t *testing.T) {
	const callback = "http://localhost:8080/accounts/back"
	example := fetched.NewProvider(t, callback)
	example.Start(t)
	p := &oidc.Provider{Issuer: example.Issuer, ClientID: "web", Secret: tower.NewSecret("secret")}
	attempt := oidc.Attempt{Callback: callback, State: "a random state", Key: "a random key"}
	var to string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var err error
		if to, err = p.URL(t.Context(), attempt); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	back := signIn(t, to, callback)
	account, err := p.Account(t.Context(), attempt, back)
	if err != nil || account.Subject != "id1" || account.Email != "test-user@zitadel.ch" || !account.Verified || account.Name != "Test User" {
		t.Errorf("it is %+v (%v)", account, err)
	}
	if account, err := p.Account(t.Context(), attempt, back); !errors.Is(err, oidc.ErrAnswer) {
		t.Errorf("the answer is used again: %+v (%v)", account, err)
	}
	back = signIn(t, to, callback)
	other := attempt
	other.Key = "another browser's key"
	if account, err := p.Account(t.Context(), other, back); !errors.Is(err, oidc.ErrAnswer) {
		t.Errorf("another browser is %+v (%v)", account, err)
	}
	wrong := &oidc.Provider{Issuer: example.Issuer, ClientID: "web", Secret: tower.NewSecret("wrong")}
	account, err = wrong.Account(t.Context(), attempt, signIn(t, to, callback))
	t.Logf("with a wrong secret: %v", err)
	if err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("with a wrong secret it is %+v (%v)", account, err)
	}
}
