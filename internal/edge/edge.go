// Package edge decides what is known of a request before it is routed: the client's
// address, the scheme and the host that the client used, whether this site serves that
// host, and whether the request comes from a page of the same origin.
//
// These facts follow from settings: the public URL, further hosts, and the addresses of
// trusted proxies. Headers that anybody can send, such as X-Forwarded-For, count only if a
// trusted proxy sent them. Nothing here blocks, and a [Site] is safe for concurrent use.
package edge

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// PeerHeader carries the address of the client's connection from tower server to the
// application behind it.
const PeerHeader = "Tower-Peer"

// Config holds the settings of a site.
type Config struct {
	Env        string   // "development", "test" or "production"
	PublicURL  string   // where people reach the site: "https://example.com"; "": not known
	Hosts      []string // further hosts: "example.com", "example.com:8443", "*.example.com", "*"
	Proxies    []string // trusted proxies: "10.0.0.0/8", "192.0.2.1"
	Supervised bool     // tower server forwards the requests
}

// A Site knows under which addresses an application is served.
type Site struct {
	production bool
	supervised bool
	public     *url.URL // nil: not known
	hosts      []pattern
	proxies    []netip.Prefix
}

// New returns a site, or an error that names the setting that is wrong.
func New(config Config) (*Site, error) {
	s := &Site{production: config.Env == "production", supervised: config.Supervised}
	if config.PublicURL != "" {
		public, err := parsePublicURL(config.PublicURL)
		if err != nil {
			return nil, err
		}
		s.public = public
		s.hosts = append(s.hosts, pattern{name: public.Hostname()})
	}
	if config.Env == "test" {
		s.hosts = append(s.hosts, pattern{name: "example.com"}) // the host of httptest.NewRequest
	}
	for _, text := range config.Hosts {
		host, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		s.hosts = append(s.hosts, host)
	}
	for _, text := range config.Proxies {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		s.proxies = append(s.proxies, prefix)
	}
	return s, nil
}

// Members returns the members of a list in a variable, which commas or spaces separate.
func Members(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// parsePublicURL returns the URL with its host in canonical form.
func parsePublicURL(text string) (*url.URL, error) {
	public, err := url.Parse(text)
	if err != nil || public.Scheme != "http" && public.Scheme != "https" {
		return nil, fmt.Errorf("the public URL is %q; write it as https://example.com", text)
	}
	name, port, ok := splitHost(public.Host)
	if !ok || public.User != nil || strings.Trim(public.Path, "/") != "" || public.RawQuery != "" || public.Fragment != "" {
		return nil, fmt.Errorf("the public URL is %q; it has a scheme and a host, as in https://example.com, and nothing else", text)
	}
	return &url.URL{Scheme: public.Scheme, Host: joinHost(public.Scheme, name, port)}, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil && !prefix.Addr().Is4In6() {
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("the trusted proxy %q is neither an address, such as 192.0.2.1, nor a range, such as 10.0.0.0/8", text)
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// HTTPS reports whether people reach the site over HTTPS, by its public URL.
func (s *Site) HTTPS() bool { return s.production && s.public != nil && s.public.Scheme == "https" }

// Facts are what is known of a request.
type Facts struct {
	Remote string // the client's address, without a port
	Scheme string // "http" or "https", as the client used it
	Host   string // as the client wrote it, in lower case and without a default port; "": not a host

	RequestID   string // by which a trusted proxy knows the request; "": it has none
	TraceParent string // the header traceparent of a trusted proxy; "": it sent none

	peer  netip.Addr // the other end of the connection
	plain bool       // the client is known not to use HTTPS, where the site does
	via   bool       // headers of proxies were ignored
}

// Origin returns the origin of the pages that the client sees: "https://example.com".
func (f *Facts) Origin() string { return f.Scheme + "://" + f.Host }

// Facts returns what is known of a request.
func (s *Site) Facts(r *http.Request) Facts {
	peer, text := s.peer(r)
	f := Facts{Remote: text, Scheme: "http", peer: peer}
	if r.TLS != nil {
		f.Scheme = "https"
	}
	host, known := r.Host, r.TLS != nil
	if s.trusts(peer) {
		f.trace(r.Header)
		hop := lastHop(r.Header, s.trusts)
		if hop.addr.IsValid() {
			f.Remote = hop.addr.String()
		}
		if hop.proto != "" {
			f.Scheme, known = hop.proto, true
		}
		if hop.host != "" && !s.named(host) {
			host = hop.host
		}
	} else {
		f.via = r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil
		known = known || len(s.proxies) > 0 && !peer.IsLoopback()
	}
	name, port, ok := splitHost(host)
	if !ok {
		return f
	}
	if s.public != nil && (name == s.public.Hostname() || s.production && peer.IsLoopback() && isLoopback(name)) {
		f.plain = known && f.Scheme == "http" && s.HTTPS()
		if name != s.public.Hostname() {
			name, port = s.public.Hostname(), s.public.Port() // a proxy on this machine wrote its own address
		}
		if !known {
			f.Scheme = s.public.Scheme
		}
	}
	f.Host = joinHost(f.Scheme, name, port)
	return f
}

// peer returns the address of the other end of the connection, also as a text. Behind tower
// server, it is that of the client of tower server.
func (s *Site) peer(r *http.Request) (netip.Addr, string) {
	text := r.RemoteAddr
	if s.supervised {
		text = cmp.Or(r.Header.Get(PeerHeader), text)
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}, r.RemoteAddr
	}
	addr := at.Addr().Unmap()
	if at.Addr().Is4() { // it is written in one way only
		return addr, text[:strings.LastIndexByte(text, ':')]
	}
	return addr, addr.String()
}

// trusts reports whether an address is that of a trusted proxy.
func (s *Site) trusts(addr netip.Addr) bool {
	addr = addr.WithZone("")
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Secure reports whether cookies of the answer are for HTTPS only.
func (s *Site) Secure(f *Facts) bool { return f.Scheme == "https" || s.HTTPS() }
