// Package oidctest is a provider of OpenID Connect, for tests without a browser. Whoever asks to sign
// in is its user at once.
package oidctest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"
)

// What a provider knows its only application by.
const (
	ClientID = "tower"
	Secret   = "a secret of the application"
)

// A User is who signs in. Claims are those of the ID token: sub, email, email_verified, name.
type User map[string]any

// A Behavior is how a provider answers. The zero value is right for nobody: there is no user.
type Behavior struct {
	User   User
	Denies string           // the error that all attempts end with; "": none
	Forge  func(*Token)     // changes the ID tokens; nil: they are right
	Answer http.HandlerFunc // answers the application in place of the provider; nil: it does itself
}

// A Provider answers at its address until it is closed. It is safe for concurrent use.
type Provider struct {
	server *httptest.Server
	key    *rsa.PrivateKey

	mu    sync.Mutex
	does  Behavior
	given map[string]attempt // the attempts whose code was not used, by the code
	asked []string           // paths that the application has asked for
}

// Change has the provider answer otherwise from now on.
func (p *Provider) Change(does Behavior) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.does = does
}

func (p *Provider) behavior() Behavior {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.does
}

// A Token is an ID token before it is signed.
type Token struct {
	Header, Claims map[string]any
	Key            *rsa.PrivateKey // nil: it has no signature
}

// An attempt is what a browser has brought.
type attempt struct{ callback, challenge, nonce string }

// Start starts a provider. Close ends it.
func Start() (*Provider, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p := &Provider{key: key, given: map[string]attempt{}}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /authorize", p.authorize)
	for path, serve := range map[string]http.HandlerFunc{"GET /.well-known/openid-configuration": p.describe, "POST /token": p.exchange, "GET /keys": p.keys} {
		routes.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			p.asked = append(p.asked, r.URL.Path)
			instead := p.does.Answer
			p.mu.Unlock()
			if instead != nil {
				instead(w, r)
				return
			}
			serve(w, r)
		})
	}
	p.server = httptest.NewServer(routes)
	return p, nil
}

// Issuer returns the address of the provider.
func (p *Provider) Issuer() string { return p.server.URL }

// Close ends the provider. What it is answering is broken off.
func (p *Provider) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// Asked returns the paths that the application, not the browser, has asked for.
func (p *Provider) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *Provider) describe(w http.ResponseWriter, _ *http.Request) {
	at := p.Issuer()
	write(w, map[string]any{"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks_uri": at + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "authorization_response_iss_parameter_supported": true})
}

// authorize sends a browser back with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	sent := r.URL.Query()
	answer := url.Values{"state": {sent.Get("state")}, "iss": {p.Issuer()}}
	if denies := p.behavior().Denies; denies != "" {
		answer.Set("error", denies)
	} else {
		code := rand.Text()
		p.mu.Lock()
		p.given[code] = attempt{sent.Get("redirect_uri"), sent.Get("code_challenge"), sent.Get("nonce")}
		p.mu.Unlock()
		answer.Set("code", code)
	}
	if sent.Get("client_id") != ClientID || sent.Get("code_challenge_method") != "S256" {
		http.Error(w, "unknown application, or no PKCE", http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, sent.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
}

// exchange gives tokens for a code, once.
func (p *Provider) exchange(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	p.mu.Lock()
	given, found := p.given[r.FormValue("code")]
	delete(p.given, r.FormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if !found || id != ClientID || secret != Secret || given.callback != r.FormValue("redirect_uri") || given.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		write(w, map[string]any{"error": "invalid_grant", "error_description": r.FormValue("code")})
		return
	}
	now := time.Now()
	token := &Token{map[string]any{"alg": "RS256", "kid": "1"}, map[string]any{"iss": p.Issuer(), "aud": ClientID, "nonce": given.nonce,
		"iat": now.Unix(), "auth_time": now.Unix(), "exp": now.Add(time.Hour).Unix()}, p.key}
	does := p.behavior()
	maps.Copy(token.Claims, does.User)
	if does.Forge != nil {
		does.Forge(token)
	}
	write(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600, "id_token": token.sign()})
}

func (t *Token) sign() string {
	text := encode(t.Header) + "." + encode(t.Claims)
	if t.Key == nil {
		return text + "."
	}
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.Key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // a key is large enough for a hash
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
		"n": base64.RawURLEncoding.EncodeToString(p.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(p.key.E)).Bytes())}}})
}

func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of a test
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
