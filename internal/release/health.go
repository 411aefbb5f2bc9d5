package release

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Health returns a function that asks the application at addr for its health, over HTTPS if
// a domain is not "". A status below 500 is well: other programs may have no such page.
func Health(addr net.Addr, domain string) func(context.Context) error {
	host, port, _ := net.SplitHostPort(addr.String()) // a listener has both
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	target, name := net.JoinHostPort(host, port), "localhost"
	url := "http://" + target + "/_tower/health"
	if domain != "" {
		url, name = "https://"+target+"/_tower/health", domain
	}
	// The certificate is not what is asked for: it may be missing until the name leads here.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{ServerName: domain, InsecureSkipVerify: true}}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		request.Host = name
		response, err := client.Do(request)
		var failed *net.OpError
		if domain != "" && errors.As(err, &failed) && failed.Op == "remote error" {
			return nil // an answer: it has no certificate yet
		}
		if err != nil {
			return fmt.Errorf("it does not answer: %w", err)
		}
		defer response.Body.Close()
		if response.StatusCode < 500 {
			return nil
		}
		text, _ := io.ReadAll(io.LimitReader(response.Body, 2000)) // what there is of it
		return fmt.Errorf("it is not healthy: status %d: %s", response.StatusCode, strings.TrimSpace(string(text)))
	}
}
