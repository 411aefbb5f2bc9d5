// Package passkey makes and checks passkeys: keys of WebAuthn that a device keeps for a site, and
// uses when its owner shows who they are, by a finger, a face or a PIN. An application imports it
// to let users sign in without a password; tower generate auth --passkey does so.
//
// Each of the two ceremonies has two steps. The server makes options, which a script hands to the
// browser, and the browser's answer is checked by the server:
//
//	options, challenge, err := site.Create(user, existing)   // navigator.credentials.create
//	key, err := site.Created(user, challenge, answer)
//
//	options, challenge, err := site.Request()                // navigator.credentials.get
//	key, err = site.Check(key, challenge, answer)
//
// The application keeps the challenge until the answer arrives, for some minutes, and accepts it
// once: [Read] says which challenge an answer is to. Nothing here blocks, and all of it is safe
// for concurrent use.
package passkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// ErrAnswer is the error for an answer that is none, or is not to the challenge, of another site,
// of another key, or without the proof that the owner of the device was there.
var ErrAnswer = errors.New("the answer of the device is not valid")

// ErrCopied is the error for an answer whose counter did not grow since the last one: the key has
// been copied to another device, which one of the two answers comes from.
var ErrCopied = errors.New("the passkey was used elsewhere since: it may have been copied")

// ErrSite is the error for an address at which browsers have no passkeys.
var ErrSite = errors.New("browsers have passkeys over HTTPS at a name, and at http://localhost, and nowhere else")

// MaxAnswer is how many bytes an answer has at most.
const MaxAnswer = 16 << 10

// A Site is what passkeys belong to. A passkey that was made for a host is of no use on another.
type Site struct {
	Name   string // of the application, as devices show it
	Origin string // "https://example.com"; without HTTPS, "http://localhost:3000" alone
}

// A User is whom a passkey is made for.
type User struct {
	ID   string // at most 64 bytes; it tells nothing about the user
	Name string // as devices show it: "ada@example.com"
}

// A Key is what is stored of a passkey. It holds no secret.
type Key struct {
	ID     string // the id that the device has given it, in base64url
	UserID string
	Data   string // JSON: the public key, and what the next answer is compared with
}

// data is what Key.Data holds.
type data struct {
	PublicKey  []byte   `json:"publicKey"`
	SignCount  uint32   `json:"signCount"`
	Synced     bool     `json:"synced,omitempty"` // the device may copy it to others of its owner
	Transports []string `json:"transports,omitempty"`
}

// Create returns the JSON of options with which a script makes a passkey for a user, and the
// challenge that the answer is to. A device that has one of the existing keys makes no second one.
// The error is [ErrSite], or of the system.
func (s Site) Create(user User, existing []Key) (options json.RawMessage, challenge string, err error) {
	library, err := s.library()
	if err != nil {
		return nil, "", err
	}
	holder := account{user, existing}
	have := webauthn.Credentials(holder.WebAuthnCredentials()).CredentialDescriptors()
	creation, state, err := library.BeginRegistration(holder, webauthn.WithExclusions(have))
	if err != nil {
		return nil, "", fmt.Errorf("make options for a passkey: %w", err)
	}
	return encode(creation.Response, state)
}

// Created returns the key that a device has made for a user. The error is [ErrAnswer].
func (s Site) Created(user User, challenge, answer string) (Key, error) {
	library, err := s.library()
	if err != nil {
		return Key{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return Key{}, refused(err)
	}
	made, err := library.CreateCredential(account{User: user}, webauthn.SessionData{Challenge: challenge, UserID: []byte(user.ID),
		UserVerification: protocol.VerificationRequired, CredParams: webauthn.CredentialParametersDefault()}, parsed)
	if err != nil {
		return Key{}, refused(err)
	}
	return stored(user.ID, made)
}

// Request returns the JSON of options with which a script asks for any passkey of the site that
// the device has, and the challenge that the answer is to. The error is [ErrSite], or of the system.
func (s Site) Request() (options json.RawMessage, challenge string, err error) {
	library, err := s.library()
	if err != nil {
		return nil, "", err
	}
	request, state, err := library.BeginDiscoverableLogin()
	if err != nil {
		return nil, "", fmt.Errorf("make options to ask for a passkey: %w", err)
	}
	return encode(request.Response, state)
}

// Read returns the id of the key that an answer claims to be from, "" for one that a device has
// just made, and the challenge that it is an answer to. It checks neither: the error is [ErrAnswer].
func Read(answer string) (id, challenge string, err error) {
	var in struct {
		ID       string
		Response struct {
			ClientDataJSON    protocol.URLEncodedBase64
			AttestationObject string
		}
	}
	var client struct{ Challenge string }
	if len(answer) > MaxAnswer {
		return "", "", fmt.Errorf("%w: it has %d bytes", ErrAnswer, len(answer))
	}
	if err := errors.Join(json.Unmarshal([]byte(answer), &in), json.Unmarshal(in.Response.ClientDataJSON, &client)); err != nil {
		return "", "", refused(err)
	}
	if in.Response.AttestationObject != "" {
		in.ID = ""
	}
	return in.ID, client.Challenge, nil
}

// Check checks a device's answer. It returns the key to store in place of the one given, with the
// new counter. The error is [ErrAnswer] or [ErrCopied].
func (s Site) Check(key Key, challenge, answer string) (Key, error) {
	library, err := s.library()
	if err != nil {
		return Key{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return Key{}, refused(err)
	}
	find := func(_, _ []byte) (webauthn.User, error) { return account{User{ID: key.UserID}, []Key{key}}, nil }
	used, err := library.ValidateDiscoverableLogin(find, webauthn.SessionData{Challenge: challenge, UserVerification: protocol.VerificationRequired}, parsed)
	if err != nil {
		return Key{}, refused(err)
	}
	if used.Authenticator.CloneWarning {
		return Key{}, ErrCopied
	}
	return stored(key.UserID, used)
}

// library returns the library, with what is the same for all passkeys: they are kept by the
// device, which asks who its user is, and says nothing of its make.
func (s Site) library() (*webauthn.WebAuthn, error) {
	at, err := url.Parse(s.Origin)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("%w: %q has no scheme or no host", ErrSite, s.Origin)
	}
	if err := protocol.ValidateRPID(at.Hostname()); err != nil || at.Scheme != "https" && at.Hostname() != "localhost" {
		return nil, fmt.Errorf("%w: this is %s", ErrSite, s.Origin)
	}
	return webauthn.New(&webauthn.Config{
		RPID: at.Hostname(), RPDisplayName: s.Name, RPOrigins: []string{s.Origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
}

func encode(options any, state *webauthn.SessionData) (json.RawMessage, string, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, "", fmt.Errorf("encode options for a passkey: %w", err)
	}
	return text, state.Challenge, nil
}

// refused returns ErrAnswer with what the library says.
func refused(err error) error {
	why := err.Error()
	if detail := (*protocol.Error)(nil); errors.As(err, &detail) && detail.DevInfo != "" {
		why += ": " + detail.DevInfo
	}
	return fmt.Errorf("%w: %s", ErrAnswer, why)
}

func stored(user string, c *webauthn.Credential) (Key, error) {
	kept := data{PublicKey: c.PublicKey, SignCount: c.Authenticator.SignCount, Synced: c.Flags.BackupEligible}
	for _, t := range c.Transport {
		kept.Transports = append(kept.Transports, string(t))
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return Key{}, fmt.Errorf("encode a passkey: %w", err)
	}
	return Key{ID: base64.RawURLEncoding.EncodeToString(c.ID), UserID: user, Data: string(text)}, nil
}

// An account is a user as the library sees them.
type account struct {
	User
	keys []Key
}

func (a account) WebAuthnID() []byte          { return []byte(a.ID) }
func (a account) WebAuthnName() string        { return a.Name }
func (a account) WebAuthnDisplayName() string { return a.Name }

// WebAuthnCredentials returns the keys that can be read. One that cannot has no answer.
func (a account) WebAuthnCredentials() (all []webauthn.Credential) {
	for _, key := range a.keys {
		id, err := base64.RawURLEncoding.DecodeString(key.ID)
		var kept data
		if err != nil || json.Unmarshal([]byte(key.Data), &kept) != nil {
			continue
		}
		c := webauthn.Credential{ID: id, PublicKey: kept.PublicKey}
		c.Flags.BackupEligible, c.Authenticator.SignCount = kept.Synced, kept.SignCount
		for _, t := range kept.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		all = append(all, c)
	}
	return all
}
