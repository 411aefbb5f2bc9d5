package oidc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// What a provider may take of an application's time and memory.
const (
	requestTime = 5 * time.Second  // one request
	answerTime  = 10 * time.Second // all requests that an answer needs
	maxBody     = 1 << 20
	maxHeader   = 64 << 10
)

// client sends all requests to providers. A provider answers them itself: it leads nowhere else.
var client = newClient()

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxHeader
	return &http.Client{Timeout: requestTime, Transport: bounded{transport}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// bounded bounds the body of each response.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxBody)
	}
	return response, err
}

// metadata is what a provider says of itself.
type metadata struct {
	provider *oidc.Provider

	Issuer      string   `json:"issuer"`
	Authorize   string   `json:"authorization_endpoint"`
	Token       string   `json:"token_endpoint"`
	Keys        string   `json:"jwks_uri"`
	UserInfo    string   `json:"userinfo_endpoint"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	SendsIssuer bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover asks the provider for its metadata, until it has answered once. Those who ask at the same
// time wait for one request.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	known := p.metadata
	p.mu.Unlock()
	if known != nil && known.Issuer == p.Issuer {
		return known, nil
	}
	found, err, _ := p.found.Do("", func() (any, error) { return p.ask(context.WithoutCancel(ctx)) })
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metadata = found.(*metadata)
	return p.metadata, nil
}

func (p *Provider) ask(ctx context.Context) (*metadata, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrAway, describe(err))
	}
	m := &metadata{provider: provider}
	if err := provider.Claims(m); err != nil {
		return nil, fmt.Errorf("%w: its metadata cannot be read", ErrAway)
	}
	for name, address := range map[string]string{"authorization_endpoint": m.Authorize, "token_endpoint": m.Token, "jwks_uri": m.Keys, "userinfo_endpoint": m.UserInfo} {
		at, err := url.Parse(address)
		if name == "userinfo_endpoint" && address == "" {
			continue
		}
		if err != nil || at.Host == "" || !safe(at) {
			return nil, fmt.Errorf("%w: its %s is not an address over HTTPS", ErrAway, name)
		}
	}
	return m, nil
}

// authStyle returns how the application shows its secret.
func (m *metadata) authStyle(public bool) oauth2.AuthStyle {
	if public || len(m.AuthMethods) > 0 && !slices.Contains(m.AuthMethods, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// failed returns the error of a request to the provider: [ErrAnswer] if it has refused it or its
// answer is not valid, and otherwise [ErrAway].
func failed(what string, err error) error {
	kind := ErrAnswer
	var status *oauth2.RetrieveError
	var network net.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &status):
		if status.Response != nil && status.Response.StatusCode >= 500 {
			kind = ErrAway
		}
	case errors.As(err, &network), errors.As(err, &large), errors.Is(err, context.DeadlineExceeded), strings.Contains(err.Error(), "fetching keys"):
		kind = ErrAway
	}
	return fmt.Errorf("%w: %s: %s", kind, what, describe(err))
}

// describe says what an error is without what a provider has sent, which may hold a secret.
func describe(err error) string {
	var status *oauth2.RetrieveError
	var network *url.Error
	var other *oidc.IssuerMismatchError
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &status) && status.Response != nil:
		return strings.TrimSpace(fmt.Sprint("status ", status.Response.StatusCode, " ", short(status.ErrorCode)))
	case errors.As(err, &other):
		return "it is " + short(other.Discovered) + " by its own word"
	case errors.As(err, &expired):
		return "it has expired"
	case errors.As(err, &network):
		return network.Err.Error()
	}
	if status := statusText.FindString(err.Error()); status != "" {
		return "status " + status
	}
	for _, known := range knownErrors {
		if strings.Contains(err.Error(), known[0]) {
			return known[1]
		}
	}
	return "it cannot be read"
}

// statusText is what an error of the library begins with whose rest is the body.
var statusText = regexp.MustCompile(`^\d{3}\b`)

// knownErrors are texts of errors of the library, and what to say of them.
var knownErrors = [][2]string{
	{"malformed jwt", "it is not signed as the provider signs"},
	{"fetching keys", "the keys of the provider cannot be read"},
	{"verify signature", "its signature is wrong"},
	{"different provider", "it is of another provider"},
	{"expected audience", "it is for another application"},
	{"not before", "it is not valid yet"},
}

// short returns a text of the provider as far as it can be shown.
func short(text string) string {
	const most = 60
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), most)]
}
