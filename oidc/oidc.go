// Package oidc lets users sign in at a provider of OpenID Connect, such as Google, Keycloak or
// the one of a company, by the authorization code flow with PKCE. An application imports it to
// let users sign in elsewhere; tower generate auth --oidc does so.
//
// A browser goes to the provider and comes back with an answer:
//
//	attempt := oidc.Attempt{Callback: callback, State: rand.Text(), Key: key}
//	to, err := provider.URL(ctx, attempt)             // send the browser there
//	account, err := provider.Account(ctx, attempt, r.URL.Query()) // when it is back at callback
//
// The application finds the attempt by its state when the browser comes back, within minutes, on
// the same device, and once. The provider is asked for its addresses at the first attempt, and
// not before: an application starts and works while its provider is away.
package oidc

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/towerkit/tower"
)

// ErrAway is the error for a provider that does not answer, answers too slowly or too much, or
// answers what no provider does.
var ErrAway = errors.New("the provider does not answer")

// ErrDenied is the error for a user who has not agreed to sign in.
var ErrDenied = errors.New("the user has not agreed to sign in")

// ErrAnswer is the error for an answer that is not valid: of another attempt, another provider or
// another application, used before, expired, or not signed.
var ErrAnswer = errors.New("the answer of the provider is not valid")

// A Provider is where users sign in. Set its fields before its first use: as part of the settings
// of an application, tower.New does, from variables with a prefix of their own. It is safe for
// concurrent use, and must not be copied.
type Provider struct {
	Name     string       `env:"NAME"`          // as people know it, "Google"; "": the host of Issuer
	Issuer   string       `env:"ISSUER"`        // "https://accounts.google.com"; "": there is no provider
	ClientID string       `env:"CLIENT_ID"`     // what the provider calls the application
	Secret   tower.Secret `env:"CLIENT_SECRET"` // by which it knows the application; empty: it has none

	found    singleflight.Group
	mu       sync.Mutex
	metadata *metadata // nil: the provider has not been asked yet
}

// IsSet reports whether there is a provider.
func (p *Provider) IsSet() bool { return p.Issuer != "" }

// Label returns the name of the provider, for people.
func (p *Provider) Label() string {
	at, err := url.Parse(p.Issuer)
	if err != nil {
		return cmp.Or(p.Name, p.Issuer)
	}
	return cmp.Or(p.Name, at.Hostname())
}

// Validate adds a problem for each setting that is missing or that no provider can have.
func (p *Provider) Validate(problems *tower.Problems) {
	switch at, err := url.Parse(p.Issuer); {
	case p.Issuer == "" && p.ClientID != "":
		problems.Add("Issuer", "is not set, although the id of a client is")
	case p.Issuer == "":
	case err != nil || at.Host == "" || at.RawQuery != "" || at.Fragment != "":
		problems.Add("Issuer", "is not the address of a provider, like https://accounts.google.com")
	case !safe(at):
		problems.Add("Issuer", "begins with https://; http:// is for a provider on this machine alone")
	case p.ClientID == "":
		problems.Add("ClientID", "is not set, although the issuer is")
	}
}

// safe reports whether nobody on the way can read what is sent to an address.
func safe(at *url.URL) bool {
	ip := net.ParseIP(at.Hostname())
	return at.Scheme == "https" || at.Scheme == "http" && (at.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// An Attempt is one sign-in at a provider. The verifier of PKCE and the nonce follow from its state and
// its key, so an application stores neither: a hash of the state is enough to find the attempt again.
type Attempt struct {
	Callback string // the address that the provider sends the browser to, which it has to know
	State    string // random, and used once
	Key      string // a random secret of the browser, such as a cookie, that the provider does not see
	Again    bool   // the user shows again who they are, even if they are signed in at the provider
}

func (a Attempt) derive(what string) string {
	mac := hmac.New(sha256.New, []byte(a.Key))
	fmt.Fprintf(mac, "%s %s", what, a.State)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (a Attempt) verifier() string { return a.derive("verifier") }
func (a Attempt) nonce() string    { return a.derive("nonce") }

// An Account is a user's account at a provider. Issuer and Subject together name it, for ever; the rest
// may change, and may be empty.
type Account struct {
	Issuer, Subject string
	Email           string
	Verified        bool // the provider says that the address is the user's
	Name            string
}

// URL returns the address of the provider to which the browser goes. It asks the provider for its
// addresses if that has not happened yet, for some seconds at most. The error is [ErrAway].
func (p *Provider) URL(ctx context.Context, a Attempt) (string, error) {
	m, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.nonce()), oauth2.S256ChallengeOption(a.verifier())}
	if a.Again {
		options = append(options, oauth2.SetAuthURLParam("max_age", "0"))
	}
	return p.config(m, a).AuthCodeURL(a.State, options...), nil
}

func (p *Provider) config(m *metadata, a Attempt) *oauth2.Config {
	endpoint := m.provider.Endpoint()
	endpoint.AuthStyle = m.authStyle(p.Secret.IsEmpty())
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.Secret.Reveal(), Endpoint: endpoint, RedirectURL: a.Callback,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// Account returns the account of the user who has come back with an answer: the query of the
// callback. It asks the provider, for some seconds at most. The caller has found the attempt by the
// state of the answer, and uses it for no other. The error is [ErrDenied], [ErrAway] or [ErrAnswer],
// and says what an operator may want to know, but nothing secret.
func (p *Provider) Account(ctx context.Context, a Attempt, answer url.Values) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	m, err := p.discover(ctx)
	if err != nil {
		return Account{}, err
	}
	code, err := a.code(answer, m)
	if err != nil {
		return Account{}, err
	}
	ctx = oidc.ClientContext(ctx, client)
	token, err := p.config(m, a).Exchange(ctx, code, oauth2.VerifierOption(a.verifier()))
	if err != nil {
		return Account{}, failed("exchange the code", err)
	}
	claims, err := p.verify(ctx, m, a, token)
	if err != nil {
		return Account{}, err
	}
	if claims.Email == "" && m.provider.UserInfoEndpoint() != "" {
		if err := claims.complete(ctx, m, token); err != nil {
			return Account{}, err
		}
	}
	return Account{Issuer: p.Issuer, Subject: claims.Subject, Email: claims.Email, Verified: bool(claims.Verified), Name: claims.Name}, nil
}

// code returns the code of an answer, which has the parameters of one attempt at this provider.
func (a Attempt) code(answer url.Values, m *metadata) (string, error) {
	for _, name := range []string{"code", "state", "iss", "error"} {
		if len(answer[name]) > 1 {
			return "", fmt.Errorf("%w: it has %s twice", ErrAnswer, name)
		}
	}
	if a.State == "" || !hmac.Equal([]byte(answer.Get("state")), []byte(a.State)) {
		return "", fmt.Errorf("%w: it is to another attempt", ErrAnswer)
	}
	if issuer := answer.Get("iss"); issuer != m.Issuer && (issuer != "" || m.SendsIssuer) {
		return "", fmt.Errorf("%w: it is of another provider", ErrAnswer)
	}
	switch problem := answer.Get("error"); problem {
	case "":
	case "access_denied":
		return "", ErrDenied
	case "server_error", "temporarily_unavailable":
		return "", fmt.Errorf("%w: %s", ErrAway, problem)
	default:
		return "", fmt.Errorf("%w: its error is %s", ErrAnswer, short(problem))
	}
	if answer.Get("code") == "" {
		return "", fmt.Errorf("%w: it has no code", ErrAnswer)
	}
	return answer.Get("code"), nil
}

// againTime is how long ago a user has signed in at the provider at most, who was asked to do it again.
const againTime = 12 * time.Minute
