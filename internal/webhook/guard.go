package webhook

import (
	"fmt"
	"net/netip"
	"strings"
)

// reserved are the networks that are no public addresses, and that the methods of netip.Addr do
// not name.
var reserved = networks(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
)

// embedding are networks of IPv6 whose addresses have one of IPv4 within them, from a byte on.
var embedding = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, // NAT64
	netip.MustParsePrefix("2002::/16"):    2,  // 6to4
}

func networks(all ...string) (prefixes []netip.Prefix) {
	for _, text := range all {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}

// checkPeer returns an error unless the address of a connection, with its port, is public or in one of the allowed
// networks.
func checkPeer(address string, allowed []netip.Prefix) error {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	ip := peer.Addr().WithZone("").Unmap()
	for _, network := range allowed {
		if network.Contains(ip) {
			return nil
		}
	}
	if !public(ip) {
		return &RefusedError{ip}
	}
	return nil
}

// A RefusedError reports an address that is not public.
type RefusedError struct{ Address netip.Addr }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is not a public address; webhooks are sent there only if TOWER_WEBHOOK_ALLOW names it", e.Address)
}

// public reports whether an address is one of the public Internet.
func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, network := range reserved {
		if network.Contains(ip) {
			return false
		}
	}
	for network, at := range embedding {
		if network.Contains(ip) {
			all := ip.As16()
			return public(netip.AddrFrom4([4]byte(all[at : at+4])))
		}
	}
	return true
}

// ParseAllowed returns the networks, and single addresses, that a text lists, separated by commas.
func ParseAllowed(text string) (all []netip.Prefix, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		network, err := netip.ParsePrefix(part)
		if err != nil {
			ip, err := netip.ParseAddr(part)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", part)
			}
			network = netip.PrefixFrom(ip, ip.BitLen())
		}
		all = append(all, network.Masked())
	}
	return all, nil
}
