package edge

import (
	"net/http"
	"net/netip"
	"strings"
)

// A hop is what a trusted proxy says about its own client.
type hop struct {
	addr  netip.Addr
	proto string // "http", "https" or ""
	host  string // "": not said
}

// lastHop returns the hop from the client to the first proxy of a row of trusted proxies.
// Proxies add to the end of a list, so the right-most address that is not trusted is the
// client: what stands before it is what the client claims. A member that is not an address
// ends the row as well.
//
// The headers X-Forwarded-… take precedence over Forwarded: nearly every proxy writes them,
// and one that does not know Forwarded passes on what a client wrote there.
func lastHop(header http.Header, trusts func(netip.Addr) bool) (last hop) {
	hops := xForwarded(header)
	if hops == nil {
		hops = forwarded(header)
	}
	for i := len(hops) - 1; i >= 0; i-- {
		if !hops[i].addr.IsValid() {
			if i == len(hops)-1 {
				last.proto, last.host = hops[i].proto, hops[i].host
			}
			return last
		}
		if last = hops[i]; !trusts(last.addr) {
			return last
		}
	}
	return last
}

// xForwarded returns the hops of X-Forwarded-For, -Proto and -Host; nil if there are none.
// A proxy that replaces the scheme, and does not add to the list, speaks for all hops.
func xForwarded(header http.Header) []hop {
	addrs, protos, hosts := list(header, "X-Forwarded-For"), list(header, "X-Forwarded-Proto"), list(header, "X-Forwarded-Host")
	if addrs == nil && protos == nil && hosts == nil {
		return nil
	}
	hops := make([]hop, max(len(addrs), 1))
	at := func(members []string, i int) string {
		switch len(members) {
		case 0:
			return ""
		case len(hops):
			return members[i]
		}
		return members[len(members)-1]
	}
	for i := range hops {
		if addrs != nil {
			hops[i].addr = parseNode(addrs[i])
		}
		hops[i].proto, hops[i].host = scheme(at(protos, i)), at(hosts, i)
	}
	return hops
}

// forwarded returns the hops of the header Forwarded (RFC 7239).
func forwarded(header http.Header) (hops []hop) {
	for _, element := range split(strings.Join(header["Forwarded"], ","), ',') {
		var h hop
		for _, pair := range split(element, ';') {
			name, value, _ := strings.Cut(pair, "=")
			value = unquote(strings.TrimSpace(value))
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "for":
				h.addr = parseNode(value)
			case "proto":
				h.proto = scheme(value)
			case "host":
				h.host = value
			}
		}
		hops = append(hops, h)
	}
	return hops
}

// list returns the members of all headers of a name; nil if there is none.
func list(header http.Header, name string) []string {
	if header[name] == nil {
		return nil
	}
	members := strings.Split(strings.Join(header[name], ","), ",")
	for i := range members {
		members[i] = strings.TrimSpace(members[i])
	}
	return members
}

// split splits a text at a separator that is not within quotes.
func split(text string, separator byte) (parts []string) {
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '\\' && quoted:
			i++
		case text[i] == separator && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	if start < len(text) {
		parts = append(parts, text[start:])
	}
	return parts
}

func unquote(text string) string {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text
	}
	return strings.ReplaceAll(text[1:len(text)-1], `\`, "")
}

// parseNode returns the address of "192.0.2.1", "192.0.2.1:80", "2001:db8::1" and
// "[2001:db8::1]:80", or an invalid one.
func parseNode(text string) netip.Addr {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap()
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap()
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		addr, _ := netip.ParseAddr(strings.TrimSuffix(inner, "]")) // invalid if it is none
		return addr.Unmap()
	}
	return netip.Addr{}
}

func scheme(text string) string {
	if text = strings.ToLower(text); text == "http" || text == "https" {
		return text
	}
	return ""
}
