package webhook

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"deadletteroffice/dlq"
)

// never lists what neither a rules file nor a flag makes the console call. Beside link-local, multicast and "this network"
// these are the metadata services of clouds, which hand out credentials to whoever asks: AWS, Azure, Google, Tencent and
// Huawei at 169.254.169.254, Alibaba at 100.100.100.200, Volcengine at 100.96.0.96, UCloud at 100.80.80.80, Oracle at
// 192.0.0.192, Azure's wire server at 168.63.129.16, AWS and Google over IPv6.
var never = prefixes("0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "100.96.0.96/32", "100.80.80.80/32", "192.0.0.192/32",
	"168.63.129.16/32", "224.0.0.0/4", "255.255.255.255/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128")

// closed lists what is called only if a person opened it: the shared space of carriers and clouds (RFC 6598) and the
// protocol assignments (RFC 6890), in which clouds keep services of their own machines; and NAT64 for local use
// (RFC 8215), since where the IPv4 address stands in it is known to the network alone.
var closed = prefixes("100.64.0.0/10", "192.0.0.0/24", "64:ff9b:1::/48")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// wrappers are the IPv6 ranges whose addresses lead to an IPv4 address that is written inside them, at these bytes.
var wrappers = []struct {
	prefix netip.Prefix
	at     [4]int
	flip   bool // the bits are inverted
}{
	{netip.MustParsePrefix("::/96"), [4]int{12, 13, 14, 15}, false},           // IPv4-compatible
	{netip.MustParsePrefix("64:ff9b::/96"), [4]int{12, 13, 14, 15}, false},    // NAT64
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{12, 13, 14, 15}, false},  // NAT64, local use, as /96
	{netip.MustParsePrefix("2002::/16"), [4]int{2, 3, 4, 5}, false},           // 6to4
	{netip.MustParsePrefix("2001::/32"), [4]int{12, 13, 14, 15}, true},        // Teredo
	{netip.MustParsePrefix("::ffff:0:0:0/96"), [4]int{12, 13, 14, 15}, false}, // SIIT
}

// isatap is how the last eight bytes of an address begin that leads to the IPv4 address in its last four (RFC 5214,
// section 6.1); the first of them may be 2 as well.
var isatap = [4]byte{0, 0, 0x5e, 0xfe}

// ParseEgress reads the ranges that --allow-egress opens, separated by commas. A range that opens nothing, because it is
// open anyway or because nothing opens it, is an error of CodeInvalid: whoever wrote it expects something of it.
func ParseEgress(text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "%q is not a range such as 100.64.0.0/10", part)
		}
		if p = p.Masked(); !slices.ContainsFunc(closed, p.Overlaps) {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the range %s is not among those that can be opened", p).
				WithHint("these are 100.64.0.0/10, 192.0.0.0/24, 64:ff9b:1::/48 and parts of them; loopback is opened by --allow-loopback, other private ranges are open")
		}
		out = append(out, p)
	}
	return out, nil
}

// guard judges the addresses that are dialled.
type guard struct {
	allowLoopback bool
	allowed       []netip.Prefix // parts of closed that a person opened
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
		if in(never, a) {
			return &blockedError{fmt.Sprintf("%s is an address that is never called (link-local, multicast or a cloud's metadata)", to.Addr())}
		}
		if in(closed, a) && !in(g.allowed, a) {
			return &blockedError{fmt.Sprintf("%s is in a range that clouds keep for services of their own; --allow-egress opens it", to.Addr())}
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

func in(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
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
		var four [4]byte
		for i, at := range w.at {
			four[i] = raw[at]
		}
		if w.flip {
			for i := range four {
				four[i] ^= 0xff
			}
		}
		found = append(found, netip.AddrFrom4(four))
	}
	if own := [4]byte(raw[8:12]); own == isatap || own == [4]byte{2, 0, 0x5e, 0xfe} {
		found = append(found, netip.AddrFrom4([4]byte(raw[12:])))
	}
	return found
}
