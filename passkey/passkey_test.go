package passkey_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/towerkit/tower/passkey"
	"github.com/towerkit/tower/passkey/passkeytest"
)

var (
	site = passkey.Site{Name: "club", Origin: "https://example.com"}
	ada  = passkey.User{ID: "01JDA7Q4Z3M8X2V6K9T5B1C0RA", Name: "ada@example.com"}
)

// created returns a device with a passkey of Ada's, and its key.
func created(t *testing.T) (*passkeytest.Device, passkey.Key) {
	t.Helper()
	device := &passkeytest.Device{Origin: site.Origin}
	options, challenge, err := site.Create(ada, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := device.Create(options)
	if err != nil {
		t.Fatal(err)
	}
	if id, to, err := passkey.Read(answer); id != "" || to != challenge || err != nil {
		t.Errorf("the answer is of %q to %q: %v", id, to, err)
	}
	key, err := site.Created(ada, challenge, answer)
	if err != nil || key.UserID != ada.ID {
		t.Fatalf("the key is %+v: %v", key, err)
	}
	return device, key
}

// asked returns a challenge, and the answer of a device.
func asked(t *testing.T, by passkey.Site, device *passkeytest.Device) (challenge, answer string) {
	t.Helper()
	options, challenge, err := by.Request()
	if err != nil {
		t.Fatal(err)
	}
	if answer, err = device.Get(options); err != nil {
		t.Fatal(err)
	}
	return challenge, answer
}

func TestADeviceSignsIn(t *testing.T) {
	device, key := created(t)
	for range 3 {
		challenge, answer := asked(t, site, device)
		if id, to, err := passkey.Read(answer); id != key.ID || to != challenge || err != nil {
			t.Fatalf("the answer is of %q to %q: %v", id, to, err)
		}
		after, err := site.Check(key, challenge, answer)
		if err != nil || after.ID != key.ID || after.UserID != ada.ID || after.Data == key.Data {
			t.Fatalf("the key is %+v: %v", after, err)
		}
		key = after
	}
}

func TestOptionsAskForAPasskey(t *testing.T) {
	_, key := created(t)
	options, _, err := site.Create(ada, []passkey.Key{key})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"residentKey":"required"`, `"userVerification":"required"`, key.ID, `"id":"example.com"`} {
		if !strings.Contains(string(options), want) {
			t.Errorf("no %s in %s", want, options)
		}
	}
	options, _, err = site.Request()
	if err != nil || !strings.Contains(string(options), `"userVerification":"required"`) || strings.Contains(string(options), "allowCredentials") {
		t.Errorf("%s, %v", options, err)
	}
}

// An answer is good for its challenge, site, key and owner alone.
func TestAnswersThatAreRefused(t *testing.T) {
	device, key := created(t)
	_, other := created(t)
	challenge, answer := asked(t, site, device)
	refused := func(what string, by passkey.Site, key passkey.Key, challenge, answer string) {
		t.Helper()
		if _, err := by.Check(key, challenge, answer); !errors.Is(err, passkey.ErrAnswer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	later, _ := asked(t, site, device)
	refused("another challenge", site, key, later, answer)
	refused("another site", passkey.Site{Name: "club", Origin: "https://example.org"}, key, challenge, answer)
	refused("another key", site, other, challenge, answer)
	forged := key
	forged.Data = other.Data
	refused("another key of the same name", site, forged, challenge, answer)
	stranger := key
	stranger.UserID = "01JDA7Q4Z3M8X2V6K9T5B1C0RB"
	refused("another user", site, stranger, challenge, answer)
	broken := key
	broken.Data = "?"
	refused("a key that cannot be read", site, broken, challenge, answer)

	phished := device.Copy()
	phished.Origin = "https://evil.example"
	challenge, answer = asked(t, site, phished)
	refused("another origin", site, key, challenge, answer)
	locked := device.Copy()
	locked.Locked = true
	challenge, answer = asked(t, site, locked)
	refused("nobody showed who they are", site, key, challenge, answer)

	options, challenge, err := site.Create(ada, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []*passkeytest.Device{phished, locked} {
		made, err := from.Create(options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := site.Created(ada, challenge, made); !errors.Is(err, passkey.ErrAnswer) {
			t.Errorf("a passkey made at %s, locked %t: %v", from.Origin, from.Locked, err)
		}
	}
}

// A counter that does not grow tells that there are two devices with the same key.
func TestACopyIsNoticed(t *testing.T) {
	device, key := created(t)
	thief := device.Copy()
	challenge, answer := asked(t, site, device)
	key, err := site.Check(key, challenge, answer)
	if err != nil {
		t.Fatal(err)
	}
	challenge, answer = asked(t, site, thief)
	if _, err := site.Check(key, challenge, answer); !errors.Is(err, passkey.ErrCopied) {
		t.Errorf("a copy: %v", err)
	}
}

func TestGarbage(t *testing.T) {
	device, key := created(t)
	challenge, answer := asked(t, site, device)
	cut := answer[:len(answer)/2]
	for _, text := range []string{"", "null", "[]", "{}", `"x"`, `{"id":1}`, `{"response":{"clientDataJSON":"!"}}`, `{"response":{"clientDataJSON":"e30"}}`, cut, strings.Repeat("[", 1<<20)} {
		_, to, err := passkey.Read(text)
		if err != nil && !errors.Is(err, passkey.ErrAnswer) || err == nil && to != "" {
			t.Errorf("%.40s is an answer to %q: %v", text, to, err)
		}
		if _, err := site.Check(key, challenge, text); !errors.Is(err, passkey.ErrAnswer) {
			t.Errorf("%.40s signs in: %v", text, err)
		}
		if _, err := site.Created(ada, challenge, text); !errors.Is(err, passkey.ErrAnswer) {
			t.Errorf("%.40s is a key: %v", text, err)
		}
	}
}

func TestSitesThatHaveNoPasskeys(t *testing.T) {
	for _, origin := range []string{"", "example.com", "http://example.com", "http://127.0.0.1:3000", "https://[::1]"} {
		if _, _, err := (passkey.Site{Name: "club", Origin: origin}).Request(); !errors.Is(err, passkey.ErrSite) {
			t.Errorf("%q: %v", origin, err)
		}
	}
	if options, _, err := (passkey.Site{Name: "club", Origin: "http://localhost:3000"}).Request(); err != nil || !json.Valid(options) {
		t.Errorf("localhost: %s, %v", options, err)
	}
}
