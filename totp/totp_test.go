package totp

import (
	"encoding/base32"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The codes are those of RFC 6238, appendix B, whose last six digits are these.
func TestCodesOfTheStandard(t *testing.T) {
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got, err := Code(secret, time.Unix(at, 0)); got != want || err != nil {
			t.Errorf("at %d: %s, %v; want %s", at, got, err, want)
		}
	}
}

// A code is right for its step and the one before and after it, and once.
func TestACodeIsRightOnce(t *testing.T) {
	secret, now := NewSecret(), time.Unix(1_800_000_015, 0)
	code := func(after time.Duration) string {
		code, err := Code(secret, now.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	for after, want := range map[time.Duration]bool{-time.Minute: false, -30 * time.Second: true, 0: true, 30 * time.Second: true, time.Minute: false} {
		step, right := Check(secret, code(after), now, 0)
		if right != want || right && step != now.Add(after).Unix()/interval {
			t.Errorf("%v: step %d, %v", after, step, right)
		}
		if _, again := Check(secret, code(after), now, step); right && again {
			t.Errorf("%v: right twice", after)
		}
	}
	last, _ := Check(secret, code(0), now, 0)
	if _, right := Check(secret, code(-30*time.Second), now, last); right {
		t.Error("a code from before the last one is right")
	}
	if _, right := Check(secret, " "+code(0)[:3]+" "+code(0)[3:], now, 0); !right {
		t.Error("a code with spaces is wrong")
	}
	for _, bad := range []string{"", "0", code(0) + "0", code(0)[:5], "абвгде", strings.Repeat("9", 100_000)} {
		if _, right := Check(secret, bad, now, 0); right {
			t.Errorf("%.20q is right", bad)
		}
	}
	if _, right := Check("", code(0), now, 0); right {
		t.Error("a code is right without a secret")
	}
}

func TestSecrets(t *testing.T) {
	secret := NewSecret()
	if !Valid(secret) || secret == NewSecret() || len(secret) != 32 {
		t.Errorf("the secret is %q", secret)
	}
	for _, bad := range []string{"", "AAAA", strings.ToLower(secret), secret + "AAAAAAAA", strings.Repeat("=", 32)} {
		if Valid(bad) {
			t.Errorf("%q is valid", bad)
		}
	}
	at, err := url.Parse(URL(secret, "Ada's: Club", "ada+1@example.com"))
	if err != nil || at.Path != "/Ada's  Club:ada+1@example.com" || at.Query().Get("secret") != secret || at.Query().Get("issuer") != "Ada's  Club" {
		t.Errorf("the address is %s: %v", at, err)
	}
}

// The picture has no style and no script, which a policy would refuse.
func TestQR(t *testing.T) {
	picture, err := QR(URL(NewSecret(), "Club", "ada@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		XMLName xml.Name `xml:"svg"`
		Paths   []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(picture), &svg); err != nil || len(svg.Paths) != 2 || strings.Count(svg.Paths[1].D, "M") < 500 || strings.Contains(string(picture), "style") {
		t.Errorf("the picture is %s: %v", picture, err)
	}
	if _, err := QR(strings.Repeat("x", 10_000)); err == nil {
		t.Error("a text of 10,000 letters was drawn")
	}
}
