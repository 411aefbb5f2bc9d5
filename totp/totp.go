// Package totp makes and checks the codes of an authenticator application: six digits that
// follow from a secret and the time (RFC 6238), and change every 30 seconds. An application
// imports it to ask users for a second factor; tower generate auth --totp does so.
//
// A user receives the secret once, as a picture or as text, and enters the codes from then on:
//
//	secret := totp.NewSecret()
//	picture, err := totp.QR(totp.URL(secret, "Club", "ada@example.com"))
//
//	step, right := totp.Check(secret, code, time.Now(), last)
//
// The application stores the secret, and the step of the last code that was right, so that no code is right
// twice. Slow those down who guess: a code has a million values. Nothing here blocks, and all of it
// is safe for concurrent use.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // what the applications have in common
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html/template"
	"image/color"
	"net/url"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
)

const (
	interval   = 30 // seconds
	digits     = 1_000_000
	secretSize = 20 // bytes, as many as the hash has
	skew       = 1  // how many intervals the clock of a device may be wrong
)

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret returns a random secret of 160 bits, as people type it: 32 letters and digits.
func NewSecret() string {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	return encoding.EncodeToString(secret)
}

// Valid reports whether a text is a secret that [NewSecret] may have returned.
func Valid(secret string) bool {
	key, err := encoding.DecodeString(secret)
	return err == nil && len(key) == secretSize
}

// URL returns the address by which an application takes a secret: an otpauth URL. It shows the
// names of the site and of the account beside the code.
func URL(secret, site, account string) string {
	site = strings.ReplaceAll(site, ":", " ") // which ends it
	query := url.Values{"secret": {secret}, "issuer": {site}}
	return "otpauth://totp/" + url.PathEscape(site) + ":" + url.PathEscape(account) + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}

// Code returns the code of a secret at a time, for tests. The error is that of a secret that is none.
func Code(secret string, at time.Time) (string, error) {
	key, err := encoding.DecodeString(secret)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	return code(key, at.Unix()/interval), nil
}

// Check reports whether a code is one of a secret now, or half a minute before or after: clocks
// differ. It must be of a later step than last, that of the code that was right before, or 0. step
// is what last becomes. Spaces in a code do not count.
func Check(secret, given string, now time.Time, last int64) (step int64, right bool) {
	key, err := encoding.DecodeString(secret)
	if err != nil {
		return 0, false
	}
	given = strings.Join(strings.Fields(given), "")
	at := now.Unix() / interval
	for try := at - skew; try <= at+skew; try++ {
		if subtle.ConstantTimeCompare([]byte(code(key, try)), []byte(given)) == 1 && try > last {
			return try, true
		}
	}
	return 0, false
}

// code returns the code of a key at a step, by RFC 4226.
func code(key []byte, step int64) string {
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:at+4])&^(1<<31))%digits)
}

// QR returns a picture of a text that a camera reads, as an SVG element: dark on white, whatever
// the colors of the page, without styles or scripts. The error says that the text is too long.
func QR(text string) (template.HTML, error) {
	drawn, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	const margin = 4 // that readers need
	size := drawn.Bounds().Dx()
	var dark strings.Builder
	for y := range size {
		for x := range size {
			if drawn.At(x, y) == color.Black {
				fmt.Fprintf(&dark, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %[1]d" role="img" aria-label="QR code" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path fill="#000" d="%s"/></svg>`, size+2*margin, dark.String())), nil
}
