package edge

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func newSite(t *testing.T, config Config) *Site {
	t.Helper()
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request returns a request from a peer for a host; header holds names and values in turn.
func request(peer, host string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", "/posts?x=1", nil)
	r.RemoteAddr, r.Host = peer, host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestHosts(t *testing.T) {
	development := Config{Env: "development", Hosts: []string{"box.lan"}}
	production := Config{Env: "production", PublicURL: "https://example.com", Hosts: []string{"*.example.org", "example.net:8443"}}
	unknown := Config{Env: "production"}
	for _, test := range []struct {
		config Config
		peer   string
		host   string
		served bool
	}{
		{development, "127.0.0.1:1", "localhost:3000", true},
		{development, "127.0.0.1:1", "blog.localhost:3000", true},
		{development, "127.0.0.1:1", "LOCALHOST.:3000", true},
		{development, "192.0.2.1:1", "192.0.2.9:3000", true},
		{development, "[::1]:1", "[::1]:3000", true},
		{development, "[::1]:1", "[::1]", true},
		{development, "127.0.0.1:1", "box.lan:3000", true},
		{development, "127.0.0.1:1", "evil.test:3000", false},
		{development, "127.0.0.1:1", "evil.localhost.test", false},
		{development, "127.0.0.1:1", "localhost.evil.test", false},
		{development, "127.0.0.1:1", "notlocalhost", false},
		{development, "127.0.0.1:1", "127.0.0.1.evil.test", false},
		{development, "127.0.0.1:1", "localhost:3000@evil.test", false},
		{development, "127.0.0.1:1", "evil.test#localhost", false},
		{development, "127.0.0.1:1", "localhost:99999", false},
		{development, "127.0.0.1:1", "::1", false},
		{development, "127.0.0.1:1", "[localhost]", false},
		{development, "127.0.0.1:1", "", false},
		{development, "127.0.0.1:1", ".localhost", false},
		{Config{Env: "test"}, "192.0.2.1:1234", "example.com", true},
		{production, "192.0.2.1:1", "example.com", true},
		{production, "192.0.2.1:1", "example.com:443", true},
		{production, "192.0.2.1:1", "www.example.org", true},
		{production, "192.0.2.1:1", "example.org", false},
		{production, "192.0.2.1:1", "badexample.org", false},
		{production, "192.0.2.1:1", "example.net:8443", true},
		{production, "192.0.2.1:1", "example.net", false},
		{production, "192.0.2.1:1", "localhost", false},
		{production, "192.0.2.1:1", "192.0.2.9", false},
		{production, "127.0.0.1:1", "127.0.0.1:3000", true},
		{production, "127.0.0.1:1", "evil.test", false},
		{unknown, "192.0.2.1:1", "192.0.2.9:3000", true},
		{unknown, "192.0.2.1:1", "evil.test", false},
		{Config{Env: "production", Hosts: []string{"*"}}, "192.0.2.1:1", "any.test", true},
	} {
		s := newSite(t, test.config)
		r := request(test.peer, test.host, "X-Forwarded-Host", "localhost")
		f := s.Facts(r)
		if refusal := s.CheckHost(r, &f); (refusal == nil) != test.served {
			t.Errorf("%s: %q from %s: refused with %v", test.config.Env, test.host, test.peer, refusal)
		}
	}
}

func TestProxiesAreBelievedOnlyIfTrusted(t *testing.T) {
	s := newSite(t, Config{Env: "production", Hosts: []string{"example.com"}, Proxies: []string{"10.0.0.0/8", "2001:db8::/32", "127.0.0.1", "fe80::/10"}})
	for _, test := range []struct {
		peer                 string
		header               []string
		remote, scheme, host string
	}{
		{"192.0.2.1:1", []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "example.com"}, "192.0.2.1", "http", "app:3000"},
		{"192.0.2.1:1", []string{"Forwarded", "for=198.51.100.1;proto=https;host=example.com"}, "192.0.2.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "example.com"}, "198.51.100.1", "https", "example.com"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9, 198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9, 198.51.100.1, 10.0.0.2,10.0.0.3"}, "198.51.100.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1, 10.0.0.2", "X-Forwarded-Proto", "https, http"}, "198.51.100.1", "https", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1, 10.0.0.2", "X-Forwarded-Proto", "https"}, "198.51.100.1", "https", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1:4711"}, "198.51.100.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "[2001:db9::1]:4711"}, "2001:db9::1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "2001:db9::1"}, "2001:db9::1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "::ffff:198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1, "}, "10.0.0.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "<script>"}, "10.0.0.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-Proto", "javascript"}, "10.0.0.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"X-Forwarded-Proto", "HTTPS"}, "10.0.0.1", "https", "app:3000"},
		{"10.0.0.1:1", []string{"Forwarded", `for=203.0.113.9, For="[2001:db9::1]:4711";Proto=https;host="example.com", for=10.0.0.2`}, "2001:db9::1", "https", "example.com"},
		{"10.0.0.1:1", []string{"Forwarded", `for="_hidden, for=1.2.3.4"`}, "10.0.0.1", "http", "app:3000"},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9", "X-Forwarded-For", "198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"[2001:db8::5]:1", []string{"X-Forwarded-For", "198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"[::ffff:10.0.0.1]:1", []string{"X-Forwarded-For", "198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"[fe80::1%eth0]:1", []string{"X-Forwarded-For", "198.51.100.1"}, "198.51.100.1", "http", "app:3000"},
		{"192.0.2.1:1", []string{PeerHeader, "10.0.0.1:1", "X-Forwarded-For", "198.51.100.1"}, "192.0.2.1", "http", "app:3000"},
	} {
		f := s.Facts(request(test.peer, "app:3000", test.header...))
		if f.Remote != test.remote || f.Scheme != test.scheme || f.Host != test.host {
			t.Errorf("%s %q: %s %s %s", test.peer, test.header, f.Remote, f.Scheme, f.Host)
		}
	}
	behind := newSite(t, Config{Env: "production", Proxies: []string{"10.0.0.1"}, Supervised: true})
	f := behind.Facts(request("127.0.0.1:1", "localhost", PeerHeader, "10.0.0.1:99", "X-Forwarded-For", "198.51.100.1"))
	if f.Remote != "198.51.100.1" {
		t.Errorf("behind tower server the client is %s", f.Remote)
	}
}

func TestOrigins(t *testing.T) {
	s := newSite(t, Config{Env: "development"})
	for _, test := range []struct {
		header []string
		same   bool
	}{
		{nil, true},
		{[]string{"Origin", "http://localhost:3000"}, true},
		{[]string{"Origin", "HTTP://LOCALHOST:3000"}, true},
		{[]string{"Origin", "https://localhost:3000"}, false},
		{[]string{"Origin", "http://localhost:3001"}, false},
		{[]string{"Origin", "http://localhost"}, false},
		{[]string{"Origin", "http://127.0.0.1:3000"}, false},
		{[]string{"Origin", "http://user:pass@localhost:3000"}, false},
		{[]string{"Origin", "http://localhost:3000/path"}, false},
		{[]string{"Origin", "http://localhost:3000/"}, false},
		{[]string{"Origin", "http://localhost:3000?q"}, false},
		{[]string{"Origin", "http://localhost:3000#f"}, false},
		{[]string{"Origin", "http://localhost:3000 "}, false},
		{[]string{"Origin", "ws://localhost:3000"}, false},
		{[]string{"Origin", "//localhost:3000"}, false},
		{[]string{"Origin", "localhost:3000"}, false},
		{[]string{"Origin", "null"}, false},
		{[]string{"Origin", ""}, false},
		{[]string{"Origin", "http://evil.test"}, false},
		{[]string{"Origin", "http://localhost:3000", "Origin", "http://localhost:3000"}, false},
		{[]string{"Origin", "http://localhost:3000", "Origin", "http://evil.test"}, false},
		{[]string{"Origin", "http://localhost:3000, http://evil.test"}, false},
		{[]string{"Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Sec-Fetch-Site", "same-site"}, false},
		{[]string{"Sec-Fetch-Site", "same-origin"}, true},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://localhost:3000"}, false},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Site", "same-origin"}, false},
	} {
		r := request("127.0.0.1:1", "localhost:3000", test.header...)
		f := s.Facts(r)
		if refusal := s.CheckOrigin(r, &f); (refusal == nil) != test.same {
			t.Errorf("%q: refused with %v", test.header, refusal)
		}
	}
}

func TestHTTPS(t *testing.T) {
	alone := newSite(t, Config{Env: "production", PublicURL: "https://example.com"})
	behind := newSite(t, Config{Env: "production", PublicURL: "https://example.com", Proxies: []string{"10.0.0.1"}})
	for name, test := range map[string]struct {
		site     *Site
		r        *http.Request
		origin   string
		location string
	}{
		"a proxy that says nothing":            {alone, request("192.0.2.1:1", "example.com"), "https://example.com", ""},
		"a proxy here that rewrites the host":  {alone, request("127.0.0.1:1", "127.0.0.1:3000"), "https://example.com", ""},
		"a trusted proxy over HTTPS":           {behind, request("10.0.0.1:1", "example.com", "X-Forwarded-Proto", "https"), "https://example.com", ""},
		"a trusted proxy over HTTP":            {behind, request("10.0.0.1:1", "example.com", "X-Forwarded-Proto", "http"), "http://example.com", "https://example.com/posts?x=1"},
		"a trusted proxy that says nothing":    {behind, request("10.0.0.1:1", "example.com"), "https://example.com", ""},
		"no proxy, although there is one":      {behind, request("192.0.2.1:1", "example.com", "X-Forwarded-Proto", "https"), "http://example.com", "https://example.com/posts?x=1"},
		"a check of health beside the proxies": {behind, request("127.0.0.1:1", "localhost:3000"), "https://example.com", ""},
	} {
		f := test.site.Facts(test.r)
		location, refusal := test.site.CheckScheme(test.r, &f)
		if f.Origin() != test.origin || location != test.location || refusal != nil || !test.site.Secure(&f) {
			t.Errorf("%s: %s, goes to %q, %v", name, f.Origin(), location, refusal)
		}
		test.r.Method = "POST"
		if _, refusal := test.site.CheckScheme(test.r, &f); (refusal == nil) != (test.location == "") {
			t.Errorf("%s: a POST is refused with %v", name, refusal)
		}
	}
	plain := newSite(t, Config{Env: "production", Hosts: []string{"example.com"}})
	r := request("192.0.2.1:1", "example.com", "X-Forwarded-Proto", "https")
	if f := plain.Facts(r); plain.Secure(&f) {
		t.Error("anybody can make cookies be for HTTPS")
	}
	r.TLS = &tls.ConnectionState{}
	if f := plain.Facts(r); !plain.Secure(&f) || f.Origin() != "https://example.com" {
		t.Errorf("over TLS the origin is %s", f.Origin())
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for text, config := range map[string]Config{
		"example.com":             {PublicURL: "example.com"},
		"ftp://example.com":       {PublicURL: "ftp://example.com"},
		"https://example.com/app": {PublicURL: "https://example.com/app"},
		"https://u@example.com":   {PublicURL: "https://u@example.com"},
		"http://a b":              {Hosts: []string{"http://a b"}},
		"*.*.example.com":         {Hosts: []string{"*.*.example.com"}},
		"10.0.0.0/99":             {Proxies: []string{"10.0.0.0/99"}},
		"proxy.example.com":       {Proxies: []string{"proxy.example.com"}},
	} {
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

func FuzzFacts(f *testing.F) {
	s, err := New(Config{Env: "production", PublicURL: "https://example.com", Proxies: []string{"127.0.0.0/8"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("127.0.0.1:1", "example.com", "1.2.3.4, [::1]:5", `for="[::1%2]";proto=https`, "https://example.com")
	f.Fuzz(func(t *testing.T, peer, host, list, forwarded, origin string) {
		r := request(peer, host, "X-Forwarded-For", list, "X-Forwarded-Host", list, "Forwarded", forwarded, "Origin", origin)
		facts := s.Facts(r)
		s.CheckHost(r, &facts)
		s.CheckOrigin(r, &facts)
		s.CheckScheme(r, &facts)
		r.Header.Del("X-Forwarded-For")
		r.Header.Del("X-Forwarded-Host")
		s.Facts(r)
	})
}
