package oidc

import (
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// claims are what a provider says of a user.
type claims struct {
	Subject  string  `json:"sub"`
	Email    string  `json:"email"`
	Verified boolean `json:"email_verified"`
	Name     string  `json:"name"`
	Party    string  `json:"azp"`       // whom the token was made for
	SignedIn float64 `json:"auth_time"` // when the user has shown who they are; 0: the provider does not say
}

// A boolean is true or false, or a text of it, which some providers send.
type boolean bool

func (b *boolean) UnmarshalJSON(text []byte) error {
	*b = string(text) == "true" || string(text) == `"true"`
	return nil
}

// verify returns the claims of the ID token that came with a token, if it is valid.
func (p *Provider) verify(ctx context.Context, m *metadata, a Attempt, token *oauth2.Token) (*claims, error) {
	raw, _ := token.Extra("id_token").(string)
	id, err := m.provider.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, failed("check the ID token", err)
	}
	out := &claims{}
	if err := id.Claims(out); err != nil {
		return nil, fmt.Errorf("%w: the claims of its ID token cannot be read", ErrAnswer)
	}
	switch {
	case !hmac.Equal([]byte(id.Nonce), []byte(a.nonce())):
		err = fmt.Errorf("%w: its ID token is for another attempt", ErrAnswer)
	case out.Subject == "" || len(out.Subject) > maxSubject:
		err = fmt.Errorf("%w: its ID token names no user", ErrAnswer)
	case out.Party != "" && out.Party != p.ClientID, out.Party == "" && len(slices.Compact(id.Audience)) > 1:
		err = fmt.Errorf("%w: its ID token was made for another application", ErrAnswer)
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		err = fmt.Errorf("%w: its tokens do not belong together", ErrAnswer)
	case a.Again && out.SignedIn > 0 && time.Since(time.Unix(int64(out.SignedIn), 0)) > againTime:
		err = fmt.Errorf("%w: the user was not asked again to sign in", ErrAnswer)
	}
	return out, err
}

// maxSubject is how long the name of an account at a provider is at most, by the standard.
const maxSubject = 255

// complete adds what the provider says of the user when it is asked for it, beside the ID token.
func (c *claims) complete(ctx context.Context, m *metadata, token *oauth2.Token) error {
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return failed("ask for the claims", err)
	}
	more := &claims{}
	if err := info.Claims(more); err != nil || more.Subject != c.Subject {
		return fmt.Errorf("%w: its claims are about another user", ErrAnswer)
	}
	c.Email, c.Verified = more.Email, more.Verified
	if c.Name == "" {
		c.Name = more.Name
	}
	return nil
}
