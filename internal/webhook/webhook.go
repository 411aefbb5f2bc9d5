// Package webhook sends signed requests to addresses that others have chosen.
//
// A request has the headers of Standard Webhooks: webhook-id, webhook-timestamp and
// webhook-signature. Where it goes is checked when the connection is made, with the address that
// the name has then: so neither a name that leads to another address the second time nor a redirect, which is
// not followed, leads into the network of the application.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	timeout     = 15 * time.Second // of a whole request
	connecting  = 5 * time.Second
	maxHeader   = 16 << 10 // bytes of the header of an answer
	maxExcerpt  = 1000     // bytes of an answer that are read and kept
	maxAddress  = 2000     // bytes of a URL
	secretStart = "whsec_"
)

// A Message is one request.
type Message struct {
	ID     string // the same each time it is sent
	URL    string
	Secret string
	Body   []byte // JSON
}

// An Answer is what came of a request.
type Answer struct {
	Status  int // 0: none came
	Excerpt string
}

// A StatusError is an answer that does not accept the message.
type StatusError struct {
	Status string
	Gone   bool // the address wants no more
}

func (e *StatusError) Error() string { return "the answer is " + e.Status }

// Sign returns the value of the header webhook-signature: the HMAC with SHA-256 of
// ID.TIMESTAMP.BODY, in base64. A secret that begins with whsec_ is in base64 itself.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	key := []byte(secret)
	if encoded, is := strings.CutPrefix(secret, secretStart); is {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return "", errors.New("the secret begins with whsec_, and the rest is not base64")
		}
	}
	if len(key) < 16 {
		return "", fmt.Errorf("the secret has %d bytes; it needs 16 or more", len(key))
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Check returns an error unless a webhook can be sent to an address. It does not look up its name.
func Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case len(address) > maxAddress:
		return fmt.Errorf("the address has %d bytes; at most %d are accepted", len(address), maxAddress)
	case err != nil:
		return errors.New("the address is not a URL") // the error has it, and it may hold a secret
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("the address must begin with https:// and have a host")
	case u.User != nil:
		return errors.New("the address must have no user and no password; the signature says who sends")
	case u.Fragment != "":
		return errors.New("the address must have no fragment")
	}
	return nil
}

// A Client sends messages. It is safe for concurrent use.
type Client struct{ http *http.Client }

// NewClient returns a client that reaches public addresses, and those of the allowed networks.
func NewClient(allowed []netip.Prefix) *Client {
	dialer := &net.Dialer{Timeout: connecting, Control: func(_, address string, _ syscall.RawConn) error {
		return checkPeer(address, allowed)
	}}
	return &Client{&http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // without a proxy, which would connect in place of the dialer
			DialContext: dialer.DialContext, TLSHandshakeTimeout: connecting, ResponseHeaderTimeout: timeout, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true, // a webhook is seldom followed by another one
		},
	}}
}

// Send sends a message, signed now. The error is a [*StatusError] if the answer is not 2xx.
func (c *Client) Send(ctx context.Context, m *Message, now time.Time) (answer Answer, err error) {
	if err := Check(m.URL); err != nil {
		return answer, err
	}
	signature, err := Sign(m.Secret, m.ID, now, m.Body)
	if err != nil {
		return answer, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return answer, errors.New("the address is not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tower-webhook")
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", signature)
	resp, err := c.http.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the address
		}
		return answer, err
	}
	defer resp.Body.Close()
	answer.Status = resp.StatusCode
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt+1)) // the status says whether it is accepted
	answer.Excerpt = excerpt(body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answer, &StatusError{resp.Status, resp.StatusCode == http.StatusGone}
	}
	return answer, nil
}

func excerpt(body []byte) string {
	text := strings.ToValidUTF8(string(body[:min(len(body), maxExcerpt)]), "\ufffd")
	text = strings.ReplaceAll(text, "\x00", "\ufffd")
	if len(body) > maxExcerpt {
		text += "…"
	}
	return text
}
