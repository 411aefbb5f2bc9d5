// Package passkeytest is a device with passkeys, for tests without a browser.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// A Device keeps passkeys, and answers as a browser does that its owner has unlocked. It is not
// safe for concurrent use.
type Device struct {
	Origin string // of the page that asks: "http://localhost:3000"
	Locked bool   // the owner does not show who they are

	keys []*key
}

type key struct {
	id, user []byte
	host     string
	secret   *ecdsa.PrivateKey
	count    uint32
}

// Flags of what a device says about itself.
const (
	present  = 1 << 0
	verified = 1 << 2
	hasKey   = 1 << 6
)

// base64url are bytes as WebAuthn has them in JSON.
type base64url []byte

func (b base64url) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

func (b *base64url) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.AppendDecode(nil, text)
	return err
}

// Copy returns a device with copies of the passkeys, which count for themselves.
func (d *Device) Copy() *Device {
	other := *d
	other.keys = nil
	for _, k := range d.keys {
		copied := *k
		other.keys = append(other.keys, &copied)
	}
	return &other
}

// Create makes a passkey by the options of navigator.credentials.create, and returns the answer.
func (d *Device) Create(options json.RawMessage) (answer string, err error) {
	var in struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID base64url }
	}
	if err := json.Unmarshal(options, &in); err != nil {
		return "", fmt.Errorf("read the options: %w", err)
	}
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	k := &key{id: []byte(rand.Text()), user: in.User.ID, host: in.RP.ID, secret: secret}
	point, err := secret.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return "", err
	}
	data := d.data(k, hasKey)
	data = append(data, make([]byte, 16)...) // of no make
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(append(data, k.id...), public...)
	attestation, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		return "", err
	}
	d.keys = append(d.keys, k)
	return d.answer(k, "webauthn.create", in.Challenge, map[string]any{"attestationObject": base64url(attestation), "transports": []string{"internal"}})
}

// Get answers to the options of navigator.credentials.get with the newest passkey of the site.
func (d *Device) Get(options json.RawMessage) (answer string, err error) {
	var in struct{ Challenge, RPID string }
	if err := json.Unmarshal(options, &in); err != nil {
		return "", fmt.Errorf("read the options: %w", err)
	}
	var found *key
	for _, k := range d.keys {
		if k.host == in.RPID {
			found = k
		}
	}
	if found == nil {
		return "", fmt.Errorf("the device has no passkey for %q", in.RPID)
	}
	found.count++
	data := d.data(found, 0)
	client := sha256.Sum256(d.client("webauthn.get", in.Challenge))
	digest := sha256.Sum256(append(data[:len(data):len(data)], client[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, found.secret, digest[:])
	if err != nil {
		return "", err
	}
	return d.answer(found, "webauthn.get", in.Challenge, map[string]any{"authenticatorData": base64url(data), "signature": base64url(signature), "userHandle": base64url(found.user)})
}

// data returns what the device says about itself and the site.
func (d *Device) data(k *key, flags byte) []byte {
	site := sha256.Sum256([]byte(k.host))
	flags |= present
	if !d.Locked {
		flags |= verified
	}
	return binary.BigEndian.AppendUint32(append(site[:], flags), k.count)
}

// client returns what the browser says about the page that asks.
func (d *Device) client(ceremony, challenge string) []byte {
	text, _ := json.Marshal(map[string]any{"type": ceremony, "challenge": challenge, "origin": d.Origin, "crossOrigin": false}) // texts have an encoding
	return text
}

func (d *Device) answer(k *key, ceremony, challenge string, response map[string]any) (string, error) {
	response["clientDataJSON"] = base64url(d.client(ceremony, challenge))
	text, err := json.Marshal(map[string]any{"id": base64url(k.id), "rawId": base64url(k.id), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response})
	return string(text), err
}
