package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestSignature compares with the example of the specification of Standard Webhooks.
func TestSignature(t *testing.T) {
	got, err := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if err != nil || got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s, %v", got, err)
	}
	for _, wrong := range []string{"", "short", "whsec_?", "whsec_c2hvcnQ="} {
		if _, err := Sign(wrong, "a", time.Now(), nil); err == nil || wrong != "" && strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestAddressesThatAreNotPublic(t *testing.T) {
	for _, ip := range []string{
		"127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "192.0.0.192", "198.18.0.1", "240.0.0.1",
		"::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "fec0::1", "64:ff9b:1::1",
	} {
		address := fmt.Sprintf("[%s]:443", ip)
		if !strings.Contains(ip, ":") {
			address = ip + ":443"
		}
		if err := checkPeer(address, nil); err == nil {
			t.Errorf("%s is taken for public", ip)
		}
	}
	for _, ip := range []string{"8.8.8.8", "172.32.0.1", "100.128.0.1", "[2606:4700:4700::1111]", "[64:ff9b::808:808]", "[2002:808:808::1]", "[::ffff:8.8.8.8]"} {
		if err := checkPeer(ip+":443", nil); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
	allowed, err := ParseAllowed("10.1.0.0/16, 127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{"10.1.2.3:80": true, "10.2.0.1:80": false, "127.0.0.1:80": true, "127.0.0.2:80": false, "[::ffff:127.0.0.1]:80": true} {
		if err := checkPeer(address, allowed); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := ParseAllowed("10.0.0.0/40"); err == nil {
		t.Error("a network that is none is accepted")
	}
}

func TestSend(t *testing.T) {
	var got *http.Request
	var body string
	redirected := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/target", http.StatusTemporaryRedirect)
		case "/target":
			redirected = true
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("a", 1<<20)) // the client does not read all
		default:
			_, _ = io.WriteString(w, "thanks\x00")
		}
	}))
	defer server.Close()
	now := time.Now()
	message := func(path string) *Message {
		return &Message{ID: "msg_1", URL: server.URL + path, Secret: secret, Body: []byte(`{"a":1}`)}
	}

	refusing := NewClient(nil)
	var refused *RefusedError
	if _, err := refusing.Send(t.Context(), message("/"), now); !errors.As(err, &refused) || got != nil {
		t.Errorf("%v", err)
	}
	byName := message("/") // a name that leads there
	byName.URL = strings.Replace(byName.URL, "127.0.0.1", "localhost", 1)
	if _, err := refusing.Send(t.Context(), byName, now); !errors.As(err, &refused) || got != nil {
		t.Errorf("by name: %v", err)
	}

	client := NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	answer, err := client.Send(t.Context(), message("/"), now)
	if err != nil || answer.Status != 200 || answer.Excerpt != "thanks\ufffd" {
		t.Fatalf("%+v, %v", answer, err)
	}
	want, _ := Sign(secret, "msg_1", now, []byte(`{"a":1}`))
	if body != `{"a":1}` || got.Header.Get("webhook-id") != "msg_1" || got.Header.Get("webhook-timestamp") != fmt.Sprint(now.Unix()) || got.Header.Get("webhook-signature") != want {
		t.Errorf("%s %v", body, got.Header)
	}
	var status *StatusError
	if answer, err := client.Send(t.Context(), message("/redirect"), now); !errors.As(err, &status) || answer.Status != 307 || redirected {
		t.Errorf("a redirect: %+v, %v", answer, err)
	}
	if _, err := client.Send(t.Context(), message("/gone"), now); !errors.As(err, &status) || !status.Gone {
		t.Error(err)
	}
	if answer, err := client.Send(t.Context(), message("/long"), now); err != nil || len(answer.Excerpt) != maxExcerpt+len("…") {
		t.Errorf("%d, %v", len(answer.Excerpt), err)
	}
	for _, wrong := range []string{"ftp://example.com", "example.com", "https://", "https://a:b@example.com", "https://example.com/#a", "https://example.com/" + strings.Repeat("a", 3000), "https://exa mple.com", "file:///etc/passwd"} {
		if Check(wrong) == nil {
			t.Errorf("%.40q is accepted", wrong)
		}
	}
}
