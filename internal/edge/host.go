package edge

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// A pattern is a host that a site serves.
type pattern struct {
	name string // "example.com", "*.example.com" for all names below it, or "*"
	port string // "": any
}

func parsePattern(text string) (pattern, error) {
	name, wild := strings.CutPrefix(text, "*.")
	if text == "*" {
		return pattern{name: "*"}, nil
	}
	name, port, ok := splitHost(name)
	if !ok {
		return pattern{}, fmt.Errorf("the host %q is not a host, such as example.com, example.com:8443 or *.example.com", text)
	}
	if wild {
		name = "*." + name
	}
	return pattern{name, port}, nil
}

func (p pattern) matches(name, port string) bool {
	if p.port != "" && p.port != port {
		return false
	}
	if below, wild := strings.CutPrefix(p.name, "*."); wild {
		return strings.HasSuffix(name, "."+below)
	}
	return p.name == "*" || p.name == name
}

// named reports whether the settings name a host.
func (s *Site) named(host string) bool {
	name, port, ok := splitHost(host)
	if !ok {
		return false
	}
	for _, p := range s.hosts {
		if p.matches(name, port) {
			return true
		}
	}
	return false
}

// serves reports whether the site serves the host of a request. A name that belongs to
// somebody else may lead a browser to this address; an IP address and a name of this
// machine cannot.
func (s *Site) serves(f *Facts) bool {
	name, _, ok := splitHost(f.Host)
	switch {
	case !ok:
		return false
	case s.named(f.Host):
		return true
	case s.production && len(s.hosts) > 0:
		return f.peer.IsLoopback() && isLoopback(name) // a check of health
	}
	return isLocal(name)
}

// IsOwn reports whether a program on this machine sent a request, by one of the names that
// the machine has for itself. It is never so in production, where a proxy on this machine
// may send what anybody asks for.
func (s *Site) IsOwn(r *http.Request) bool {
	if s.production {
		return false
	}
	f := s.Facts(r)
	name, _, ok := splitHost(r.Host)
	remote, err := netip.ParseAddr(f.Remote)
	return ok && isLoopback(name) && err == nil && remote.IsLoopback() && f.peer.IsLoopback() && !f.via
}

// isLocal reports whether a name is localhost, a name below it, or an IP address.
func isLocal(name string) bool {
	return isAddr(name) || name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// isLoopback reports whether a name is that of this machine for itself.
func isLoopback(name string) bool {
	return name == "localhost" || isAddr(name) && netip.MustParseAddr(name).Unmap().IsLoopback()
}

// isAddr reports whether a name is an IP address. It looks at the last letter first, because
// most names are none, and the error that says so takes time to make.
func isAddr(name string) bool {
	if name == "" || !strings.Contains(name, ":") && (name[len(name)-1] < '0' || name[len(name)-1] > '9') {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// splitHost splits "name", "name:port", "[::1]" and "[::1]:port". The name is in lower
// case, without brackets and without a final dot. It reports whether the text is a host.
func splitHost(host string) (name, port string, ok bool) {
	name = host
	if bracket := strings.HasPrefix(host, "["); bracket || strings.Contains(host, ":") {
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil {
			if name, port, err = net.SplitHostPort(host + ":"); err != nil {
				return "", "", false
			}
		}
		if bracket != (strings.Contains(name, ":") && isAddr(name)) {
			return "", "", false
		}
		if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
			return "", "", false
		}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if isAddr(name) {
		return name, port, true
	}
	valid := name != "" && !strings.HasPrefix(name, ".") && !strings.Contains(name, "..")
	for i := 0; valid && i < len(name); i++ {
		c := name[i]
		valid = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
	}
	return name, port, valid
}

// joinHost is the inverse of splitHost. It omits the default port of the scheme.
func joinHost(scheme, name, port string) string {
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		port = ""
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port == "" {
		return name
	}
	return name + ":" + port
}
