package webhook

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// never lists what no rules file may make the console call. Beside link-local, multicast and "this network" these are
// the metadata services of clouds, which hand out credentials to whoever asks: AWS, Azure, Google, Tencent and Huawei at
// 169.254.169.254, Alibaba at 100.100.100.200, Azure's wire server at 168.63.129.16, AWS and Google over IPv6.
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("fd20:ce::254/128"),
}

// wrappers are the IPv6 ranges whose addresses lead to an IPv4 address that is written inside them, at this byte.
var wrappers = []struct {
	prefix netip.Prefix
	at     int
	flip   bool // the bits are inverted
}{
	{netip.MustParsePrefix("::/96"), 12, false},           // IPv4-compatible
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false},    // NAT64
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12, false},  // NAT64, local use, as /96
	{netip.MustParsePrefix("2002::/16"), 2, false},        // 6to4
	{netip.MustParsePrefix("2001::/32"), 12, true},        // Teredo
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false}, // SIIT
}

// guard judges the addresses that are dialled.
type guard struct {
	allowLoopback bool
	own           []netip.AddrPort
	local         func() ([]net.Addr, error) // addresses of this machine
}

// blockedError is why an address was not dialled.
type blockedError struct{ what string }

func (e *blockedError) Error() string { return e.what }

// control is a net.Dialer's ControlContext. It runs after the name was resolved and before anything is sent, so no
// answer of a name server can get past it.
func (g *guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{"the address cannot be read"}
	}
	return g.check(to)
}

func (g *guard) check(to netip.AddrPort) error {
	ip := to.Addr().WithZone("").Unmap()
	for _, a := range append(inside(ip), ip) {
		for _, p := range never {
			if p.Contains(a) {
				return &blockedError{fmt.Sprintf("%s is an address that is never called (link-local, multicast or a cloud's metadata)", to.Addr())}
			}
		}
		if a.IsLoopback() && !g.allowLoopback {
			return &blockedError{fmt.Sprintf("%s is loopback, which is not allowed", to.Addr())}
		}
	}
	for _, own := range g.own {
		if own.Port() == to.Port() && g.isOwn(own.Addr().Unmap(), ip) {
			return &blockedError{fmt.Sprintf("%s is this console itself", to)}
		}
	}
	return nil
}

// isOwn reports whether a listener at own is reached by dialling ip. A listener at 0.0.0.0 is reached by every address
// of this machine.
func (g *guard) isOwn(own, ip netip.Addr) bool {
	if !own.IsUnspecified() {
		return own == ip
	}
	if ip.IsLoopback() {
		return true
	}
	addrs, err := g.local()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}

// inside returns the IPv4 addresses that an IPv6 address wraps.
func inside(ip netip.Addr) []netip.Addr {
	if !ip.Is6() {
		return nil
	}
	var found []netip.Addr
	raw := ip.As16()
	for _, w := range wrappers {
		if !w.prefix.Contains(ip) || ip.IsLoopback() {
			continue
		}
		four := [4]byte(raw[w.at : w.at+4])
		if w.flip {
			for i := range four {
				four[i] ^= 0xff
			}
		}
		found = append(found, netip.AddrFrom4(four))
	}
	return found
}
