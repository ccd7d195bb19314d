package remoting

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// System flags of a message (MessageSysFlag.java).
const (
	SysFlagCompressed   = 0x1
	SysFlagTransaction  = 0x4 | 0x8
	SysFlagCompressType = 0x7 << 8 // which compression: see the three below; 0 means zlib, from clients before 4.9.3
	SysFlagLZ4          = 1 << 8
	SysFlagZSTD         = 2 << 8
	SysFlagZlib         = 3 << 8

	sysFlagBornV6  = 0x1 << 4
	sysFlagStoreV6 = 0x1 << 5
)

const (
	magicV1 = 0xDAA320A7
	magicV2 = 0xDAA320AB // topic length takes two bytes

	nameSeparator     = "\x01"
	propertySeparator = "\x02"
)

// MaxProperties is the length limit of all encoded properties of a message, in bytes: a signed 16-bit number.
const MaxProperties = math.MaxInt16

// Message is a stored message as a broker holds it. Body is raw: compressed if SysFlag says so.
type Message struct {
	Topic          string
	QueueID        int
	QueueOffset    int64
	PhysicalOffset int64
	Flag           int32
	SysFlag        int32
	BodyCRC        uint32
	BornAt         time.Time
	BornHost       netip.AddrPort
	StoredAt       time.Time
	StoreHost      netip.AddrPort
	Reconsumed     int
	PreparedOffset int64 // of a transaction's half message, in the commit log
	Body           []byte
	Properties     map[string]string
}

// OffsetID returns the message's offset id, which names its place: broker address and physical offset.
func (m *Message) OffsetID() string { return FormatMessageID(m.StoreHost, m.PhysicalOffset) }

// DecodeMessages decodes a message set as it stands in the answers to pull, query and view. On an error it also
// returns the messages before the malformed one. Bodies are slices of b.
func DecodeMessages(b []byte) ([]Message, error) {
	var msgs []Message
	for at := 0; at < len(b); {
		r := wire{b: b[at:]}
		size := int(int32(r.u32()))
		if r.short || size < 4 || size > len(b)-at {
			return msgs, fmt.Errorf("message at byte %d: size %d of %d bytes left", at, size, len(b)-at)
		}
		m, err := decodeMessage(b[at+4 : at+size])
		if err != nil {
			return msgs, fmt.Errorf("message at byte %d: %w", at, err)
		}
		msgs = append(msgs, m)
		at += size
	}
	return msgs, nil
}

// decodeMessage decodes what follows the size (CommitLog's record, MessageDecoder.decode).
func decodeMessage(b []byte) (Message, error) {
	r := wire{b: b}
	magic := r.u32()
	if !r.short && magic != magicV1 && magic != magicV2 {
		return Message{}, fmt.Errorf("magic number %#x unknown", magic)
	}
	m := Message{BodyCRC: r.u32(), QueueID: int(int32(r.u32())), Flag: int32(r.u32()), QueueOffset: int64(r.u64()), PhysicalOffset: int64(r.u64()), SysFlag: int32(r.u32())}
	m.BornAt = time.UnixMilli(int64(r.u64())).UTC()
	m.BornHost = r.host(m.SysFlag&sysFlagBornV6 != 0)
	m.StoredAt = time.UnixMilli(int64(r.u64())).UTC()
	m.StoreHost = r.host(m.SysFlag&sysFlagStoreV6 != 0)
	m.Reconsumed = int(int32(r.u32()))
	m.PreparedOffset = int64(r.u64())
	m.Body = r.take(int(int32(r.u32())))
	topicLen := 0
	if magic == magicV2 {
		topicLen = int(r.u16())
	} else {
		topicLen = int(r.u8())
	}
	m.Topic = string(r.take(topicLen))
	props := r.take(int(int16(r.u16())))
	if r.short {
		return Message{}, errors.New("truncated")
	}
	m.Properties = DecodeProperties(string(props))
	return m, nil
}

// host takes an address and a port of four bytes.
func (w *wire) host(v6 bool) netip.AddrPort {
	n := 4
	if v6 {
		n = 16
	}
	addr, _ := netip.AddrFromSlice(w.take(n))
	return netip.AddrPortFrom(addr, uint16(w.u32()))
}

// DecodeProperties takes a message's properties apart. Of a name that stands twice the last value counts, as in
// the Java client; pieces without a name or separator are passed over. An empty value is kept, although the
// Java client drops it.
func DecodeProperties(s string) map[string]string {
	props := map[string]string{}
	for piece := range strings.SplitSeq(s, propertySeparator) {
		if name, value, ok := strings.Cut(piece, nameSeparator); ok && name != "" {
			props[name] = value
		}
	}
	return props
}

// EncodeProperties is the reverse, in the order of the names. A value may hold U+0001: readers part a property at the
// first one and leave the others in its value (MessageDecoder.string2messageProperties); such values are what is left
// where an agent appended its own to a text without a last separator. The error is a *[PropertyError].
func EncodeProperties(props map[string]string) (string, error) {
	var b strings.Builder
	longest := ""
	for _, name := range slices.Sorted(maps.Keys(props)) {
		value := props[name]
		switch {
		case name == "":
			return "", &PropertyError{Name: name, Why: "it has no name"}
		case strings.ContainsAny(name, nameSeparator+propertySeparator), strings.Contains(value, propertySeparator):
			return "", &PropertyError{Name: name, Why: "it holds a character by which RocketMQ parts properties (U+0001 in a name, U+0002)"}
		case !utf8.ValidString(name + value):
			return "", &PropertyError{Name: name, Why: "it is not UTF-8, and a broker would store other bytes"}
		}
		if len(value) > len(props[longest]) || longest == "" {
			longest = name
		}
		b.WriteString(name + nameSeparator + value + propertySeparator)
	}
	if b.Len() > MaxProperties {
		return "", &PropertyError{Name: longest, Why: fmt.Sprintf("with it, the longest, all properties take %d bytes, and RocketMQ stores %d at the most", b.Len(), MaxProperties)}
	}
	return b.String(), nil
}

// FormatMessageID makes an offset id: address, port in four bytes, physical offset, as upper-case hexadecimals;
// 32 of them for an IPv4 broker, 56 for IPv6.
func FormatMessageID(broker netip.AddrPort, physicalOffset int64) string {
	b := append(broker.Addr().AsSlice(), 0, 0, byte(broker.Port()>>8), byte(broker.Port()))
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(physicalOffset>>shift))
	}
	return strings.ToUpper(hex.EncodeToString(b))
}

// ParseMessageID takes an offset id apart. It fails for what cannot be one, but a UNIQ_KEY has the same length
// and may pass: its process id stands where the port's upper half must be zero, so ids of processes below 65536
// are told apart only by comparing with the message's own UNIQ_KEY.
func ParseMessageID(id string) (broker netip.AddrPort, physicalOffset int64, err error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 16 && len(b) != 28 {
		return netip.AddrPort{}, 0, fmt.Errorf("message id %q: not 32 or 56 hexadecimals", id)
	}
	r := wire{b: b}
	addr, _ := netip.AddrFromSlice(r.take(len(b) - 12))
	port := r.u32()
	physicalOffset = int64(r.u64())
	if port == 0 || port > math.MaxUint16 || physicalOffset < 0 {
		return netip.AddrPort{}, 0, fmt.Errorf("message id %q: not an offset id, port %d, offset %d", id, port, physicalOffset)
	}
	return netip.AddrPortFrom(addr, uint16(port)), physicalOffset, nil
}
