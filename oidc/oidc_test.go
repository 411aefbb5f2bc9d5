package oidc_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/oidc"
	"github.com/towerkit/tower/oidc/oidctest"
)

var ada = oidctest.User{"sub": "ada", "email": "ada@example.com", "email_verified": true, "name": "Ada"}

func start(t *testing.T) (*oidctest.Provider, *oidc.Provider) {
	t.Helper()
	server, err := oidctest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.Change(oidctest.Behavior{User: ada})
	return server, &oidc.Provider{Issuer: server.Issuer(), ClientID: oidctest.ClientID, Secret: tower.NewSecret(oidctest.Secret)}
}

func newAttempt() oidc.Attempt {
	return oidc.Attempt{Callback: "http://localhost:3000/callback", State: rand.Text(), Key: rand.Text()}
}

// visit sends a browser to the provider, and returns what it brings back.
func visit(t *testing.T, p *oidc.Provider, a oidc.Attempt) url.Values {
	t.Helper()
	to, err := p.URL(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := browser.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	back, err := answer.Location()
	if err != nil || !strings.HasPrefix(back.String(), a.Callback) {
		t.Fatalf("the provider answers %s and leads to %v: %v", answer.Status, back, err)
	}
	return back.Query()
}

func TestAUserSignsInAtAProvider(t *testing.T) {
	server, p := start(t)
	if len(server.Asked()) != 0 {
		t.Error("the provider was asked before anybody needs it")
	}
	for range 2 {
		a := newAttempt()
		account, err := p.Account(t.Context(), a, visit(t, p, a))
		if err != nil || account != (oidc.Account{Issuer: p.Issuer, Subject: "ada", Email: "ada@example.com", Verified: true, Name: "Ada"}) {
			t.Errorf("%+v, %v", account, err)
		}
	}
	if asked := strings.Join(server.Asked(), " "); asked != "/.well-known/openid-configuration /token /keys /token" {
		t.Errorf("it was asked for %s", asked)
	}
}

// Answers to other attempts, at other providers, and that were used before are refused.
func TestAnswersOfProvidersThatAreRefused(t *testing.T) {
	_, p := start(t)
	for name, forge := range map[string]func(*oidc.Attempt, url.Values){
		"another state":    func(_ *oidc.Attempt, v url.Values) { v.Set("state", "other") },
		"no state":         func(a *oidc.Attempt, v url.Values) { a.State = ""; v.Del("state") },
		"another browser":  func(a *oidc.Attempt, _ url.Values) { a.Key = rand.Text() },
		"another callback": func(a *oidc.Attempt, _ url.Values) { a.Callback += "/other" },
		"another issuer":   func(_ *oidc.Attempt, v url.Values) { v.Set("iss", "https://evil.example") },
		"no issuer":        func(_ *oidc.Attempt, v url.Values) { v.Del("iss") },
		"another code":     func(_ *oidc.Attempt, v url.Values) { v.Set("code", rand.Text()) },
		"no code":          func(_ *oidc.Attempt, v url.Values) { v.Del("code") },
		"two codes":        func(_ *oidc.Attempt, v url.Values) { v.Add("code", rand.Text()) },
	} {
		a := newAttempt()
		answer := visit(t, p, a)
		code := answer.Get("code")
		forge(&a, answer)
		account, err := p.Account(t.Context(), a, answer)
		if !errors.Is(err, oidc.ErrAnswer) || account != (oidc.Account{}) || strings.Contains(err.Error(), code) && code != "" {
			t.Errorf("%s: %+v, %v", name, account, err)
		}
	}

	a := newAttempt()
	answer := visit(t, p, a)
	if _, err := p.Account(t.Context(), a, answer); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Account(t.Context(), a, answer); !errors.Is(err, oidc.ErrAnswer) || strings.Contains(err.Error(), answer.Get("code")) {
		t.Errorf("a code that was used: %v", err)
	}
}

// ID tokens that are not for this attempt, this application and this time, or not signed by the
// provider, are refused.
func TestTokensThatAreRefused(t *testing.T) {
	server, p := start(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(*oidctest.Token){
		"another nonce":         func(t *oidctest.Token) { t.Claims["nonce"] = "other" },
		"no nonce":              func(t *oidctest.Token) { delete(t.Claims, "nonce") },
		"another audience":      func(t *oidctest.Token) { t.Claims["aud"] = "other" },
		"another party":         func(t *oidctest.Token) { t.Claims["azp"] = "other" },
		"several audiences":     func(t *oidctest.Token) { t.Claims["aud"] = []string{oidctest.ClientID, "other"} },
		"another issuer":        func(t *oidctest.Token) { t.Claims["iss"] = "https://evil.example" },
		"expired":               func(t *oidctest.Token) { t.Claims["exp"] = time.Now().Add(-time.Minute).Unix() },
		"no user":               func(t *oidctest.Token) { delete(t.Claims, "sub") },
		"not signed":            func(t *oidctest.Token) { t.Key = nil },
		"alg none":              func(t *oidctest.Token) { t.Key, t.Header["alg"] = nil, "none" },
		"alg HS256":             func(t *oidctest.Token) { t.Header["alg"] = "HS256" },
		"signed by another":     func(t *oidctest.Token) { t.Key = other },
		"another access token":  func(t *oidctest.Token) { t.Claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" },
		"signed in a while ago": func(t *oidctest.Token) { t.Claims["auth_time"] = time.Now().Add(-time.Hour).Unix() },
	} {
		server.Change(oidctest.Behavior{User: ada, Forge: forge})
		a := newAttempt()
		a.Again = name == "signed in a while ago"
		if account, err := p.Account(t.Context(), a, visit(t, p, a)); !errors.Is(err, oidc.ErrAnswer) || account != (oidc.Account{}) {
			t.Errorf("%s: %+v, %v", name, account, err)
		}
	}
}

func TestErrorsOfProviders(t *testing.T) {
	server, p := start(t)
	for text, want := range map[string]error{"access_denied": oidc.ErrDenied, "server_error": oidc.ErrAway, "login_required": oidc.ErrAnswer, "\x1b[31m" + strings.Repeat("x", 3000): oidc.ErrAnswer} {
		server.Change(oidctest.Behavior{Denies: text})
		a := newAttempt()
		if _, err := p.Account(t.Context(), a, visit(t, p, a)); !errors.Is(err, want) || len(err.Error()) > 200 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// A provider that is away, hangs, sends without an end or sends garbage costs little time and memory, and
// is asked again by the next attempt.
func TestProvidersThatDoNotAnswer(t *testing.T) {
	server, p := start(t)
	for name, serve := range map[string]http.HandlerFunc{
		"garbage":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>secret</html>")) },
		"status":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusBadGateway) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) },
		"no end": func(w http.ResponseWriter, _ *http.Request) {
			for block := bytes.Repeat([]byte("secret "), 1<<14); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"https://evil.example","token_endpoint":"https://evil.example"}`))
		},
		"plain HTTP": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"` + server.Issuer() + `","authorization_endpoint":"http://evil.example/","token_endpoint":"http://evil.example/","jwks_uri":"http://evil.example/"}`))
		},
	} {
		server.Change(oidctest.Behavior{Answer: serve})
		if _, err := p.URL(t.Context(), newAttempt()); !errors.Is(err, oidc.ErrAway) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.Change(oidctest.Behavior{User: ada})
	a := newAttempt()
	answer := visit(t, p, a)
	server.Change(oidctest.Behavior{Answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("garbage")) }})
	if _, err := p.Account(t.Context(), a, answer); err == nil || strings.Contains(err.Error(), "garbage") {
		t.Errorf("a token that is garbage: %v", err)
	}
}

// Many who ask a provider that hangs wait for one request, and not one after another.
func TestAProviderThatHangs(t *testing.T) {
	oidc.SetRequestTime(t, time.Second)
	server, p := start(t)
	server.Change(oidctest.Behavior{Answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := p.URL(t.Context(), newAttempt()); !errors.Is(err, oidc.ErrAway) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked := len(server.Asked()); asked > 10 {
		t.Errorf("%d requests were sent", asked)
	}
	server.Change(oidctest.Behavior{User: ada})
	if _, err := p.URL(t.Context(), newAttempt()); err != nil {
		t.Errorf("when the provider is back: %v", err)
	}
}

// TestASecretIsSentAsTheProviderWants has providers take the secret in one way only.
func TestASecretIsSentAsTheProviderWants(t *testing.T) {
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		server, p := start(t)
		var header, form string
		server.Change(oidctest.Behavior{Answer: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				_, header, _ = r.BasicAuth()
				form = r.FormValue("client_secret")
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"issuer": server.Issuer(), "authorization_endpoint": server.Issuer() + "/authorize", "token_endpoint": server.Issuer() + "/token",
				"jwks_uri": server.Issuer() + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}, "token_endpoint_auth_methods_supported": []string{method}})
		}})
		a := newAttempt()
		_, err := p.Account(t.Context(), a, visit(t, p, a))
		if !errors.Is(err, oidc.ErrAnswer) || (method == "client_secret_post") != (form != "" && header == "") || (method == "client_secret_basic") != (header != "" && form == "") {
			t.Errorf("%s: the header has %q and the form %q (%v)", method, header, form, err)
		}
	}
}

func TestSettingsOfAProvider(t *testing.T) {
	for issuer, want := range map[string]string{
		"": "", "https://accounts.google.com": "", "http://localhost:8080/": "", "http://127.0.0.1:8080": "",
		"http://example.com": "begins with https://", "accounts.google.com": "is not the address", "https://example.com/?a=b": "is not the address",
	} {
		problems := &tower.Problems{}
		(&oidc.Provider{Issuer: issuer, ClientID: "tower"}).Validate(problems)
		if got := strings.Join(problems.Map()["Issuer"], ""); issuer != "" && (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q", issuer, got)
		}
	}
	if label := (&oidc.Provider{Issuer: "https://accounts.google.com"}).Label(); label != "accounts.google.com" {
		t.Error(label)
	}
}
