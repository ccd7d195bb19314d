package remoting

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// appendMessage writes a message as brokers store it.
func appendMessage(b []byte, m Message, v2 bool) []byte {
	body := binary.BigEndian.AppendUint32(nil, magicV1)
	if v2 {
		body = binary.BigEndian.AppendUint32(nil, magicV2)
	}
	flag := m.SysFlag
	body = binary.BigEndian.AppendUint32(body, m.BodyCRC)
	body = binary.BigEndian.AppendUint32(body, uint32(m.QueueID))
	body = binary.BigEndian.AppendUint32(body, uint32(m.Flag))
	body = binary.BigEndian.AppendUint64(body, uint64(m.QueueOffset))
	body = binary.BigEndian.AppendUint64(body, uint64(m.PhysicalOffset))
	body = binary.BigEndian.AppendUint32(body, uint32(flag))
	body = binary.BigEndian.AppendUint64(body, uint64(m.BornAt.UnixMilli()))
	body = append(body, m.BornHost.Addr().AsSlice()...)
	body = binary.BigEndian.AppendUint32(body, uint32(m.BornHost.Port()))
	body = binary.BigEndian.AppendUint64(body, uint64(m.StoredAt.UnixMilli()))
	body = append(body, m.StoreHost.Addr().AsSlice()...)
	body = binary.BigEndian.AppendUint32(body, uint32(m.StoreHost.Port()))
	body = binary.BigEndian.AppendUint32(body, uint32(m.Reconsumed))
	body = binary.BigEndian.AppendUint64(body, uint64(m.PreparedOffset))
	body = binary.BigEndian.AppendUint32(body, uint32(len(m.Body)))
	body = append(body, m.Body...)
	if v2 {
		body = binary.BigEndian.AppendUint16(body, uint16(len(m.Topic)))
	} else {
		body = append(body, byte(len(m.Topic)))
	}
	body = append(body, m.Topic...)
	props, err := EncodeProperties(m.Properties)
	if err != nil {
		panic(err)
	}
	body = binary.BigEndian.AppendUint16(body, uint16(len(props)))
	body = append(body, props...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)+4))
	return append(b, body...)
}

func sample() Message {
	return Message{
		Topic: "%DLQ%g", QueueID: 1, QueueOffset: 42, PhysicalOffset: 1 << 40, Flag: 3, SysFlag: SysFlagCompressed | SysFlagLZ4, BodyCRC: 99,
		BornAt: time.UnixMilli(1700000000123).UTC(), BornHost: netip.MustParseAddrPort("10.1.2.3:4567"),
		StoredAt: time.UnixMilli(1700000001456).UTC(), StoreHost: netip.MustParseAddrPort("127.0.0.1:10911"),
		Reconsumed: 17, PreparedOffset: 5, Body: []byte("raw \x00 bytes"), Properties: map[string]string{"UNIQ_KEY": "K", "RETRY_TOPIC": "订单"},
	}
}

func TestDecodeMessages(t *testing.T) {
	long := sample()
	long.Topic = strings.Repeat("t", 300)
	v6 := sample()
	v6.SysFlag |= sysFlagBornV6 | sysFlagStoreV6
	v6.BornHost, v6.StoreHost = netip.MustParseAddrPort("[2001:db8::1]:80"), netip.MustParseAddrPort("[2001:db8::2]:10911")
	mixed := sample()
	mixed.SysFlag |= sysFlagBornV6
	mixed.BornHost = v6.BornHost
	empty := sample()
	empty.Body, empty.Properties = []byte{}, map[string]string{}
	want := []Message{sample(), long, v6, mixed, empty}
	var b []byte
	for i, m := range want {
		b = appendMessage(b, m, i == 1)
	}
	got, err := DecodeMessages(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	for cut := len(b) - 1; cut > len(b)-80; cut-- {
		if got, err := DecodeMessages(b[:cut]); err == nil || len(got) != 4 {
			t.Fatalf("cut at %d: %d messages, %v", cut, len(got), err)
		}
	}
}

func TestDecodeMessagesRefuses(t *testing.T) {
	good := appendMessage(nil, sample(), false)
	change := func(at int, v ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[at:], v)
		return b
	}
	for name, b := range map[string][]byte{
		"size 0": change(0, 0, 0, 0, 0), "size negative": change(0, 255, 255, 255, 255), "unknown magic": change(4, 1, 2, 3, 4),
		"body too long": change(4+4+4+4+4+8+8+4+8+8+8+8+4+8, 127, 255, 255, 255), "body negative": change(4+4+4+4+4+8+8+4+8+8+8+8+4+8, 255, 255, 255, 255),
		"three bytes": {0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := DecodeMessages(b); err == nil {
				t.Errorf("accepted as %+v", got)
			}
		})
	}
	if got, err := DecodeMessages(nil); err != nil || got != nil {
		t.Errorf("nothing gives %v, %v", got, err)
	}
}

func TestProperties(t *testing.T) {
	props := map[string]string{"b": "2", "a": "1=x", "c": ""}
	s, err := EncodeProperties(props)
	if err != nil || s != "a\x011=x\x02b\x012\x02c\x01\x02" {
		t.Fatalf("%q, %v", s, err)
	}
	if diff := cmp.Diff(props, DecodeProperties(s)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "2", "b": "x\x01y"}, DecodeProperties("a\x011\x02junk\x02\x01noname\x02a\x012\x02\x02b\x01x\x01y")); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]map[string]string{
		"separator in value": {"a": "x\x02y"}, "separator in name": {"a\x01": "x"}, "empty name": {"": "x"}, "not UTF-8": {"a": "\xff"},
		"too long": {"a": "b", "c": strings.Repeat("x", MaxProperties)},
	} {
		s, err := EncodeProperties(bad)
		var wrong *PropertyError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: encoded as %d bytes, %v", name, len(s), err)
		} else if _, has := bad[wrong.Name]; !has || name == "too long" && wrong.Name != "c" {
			t.Errorf("%s: named %q", name, wrong.Name)
		}
	}
}

// A header that an agent appended to a text without a last separator stays in the value before it, as the Java client
// reads it, and is written again byte for byte.
func TestPropertiesOfAgents(t *testing.T) {
	raw := "KEYS\x01SW-1\x02TAGS\x01examsw8-x\x010\x02sw8\x011-MDA=\x02"
	props := DecodeProperties(raw)
	if diff := cmp.Diff(map[string]string{"KEYS": "SW-1", "TAGS": "examsw8-x\x010", "sw8": "1-MDA="}, props); diff != "" {
		t.Error(diff)
	}
	if got, err := EncodeProperties(props); err != nil || got != raw {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMessageID(t *testing.T) {
	for id, want := range map[string]struct {
		host   string
		offset int64
	}{
		"7F00000100002A9F0000000000000D5A":                         {"127.0.0.1:10911", 0xD5A},
		"20010DB800000000000000000000000200002A9F00000100000000FF": {"[2001:db8::2]:10911", 1<<40 | 0xFF},
	} {
		host, offset, err := ParseMessageID(id)
		if err != nil || host.String() != want.host || offset != want.offset {
			t.Errorf("%s: %s, %d, %v", id, host, offset, err)
		}
		if again := FormatMessageID(host, offset); again != id {
			t.Errorf("%s became %s", id, again)
		}
		if _, _, err := ParseMessageID(strings.ToLower(id)); err != nil {
			t.Errorf("lower case: %v", err)
		}
	}
	for _, id := range []string{
		"", "xyz", "7F00000100002A9F0000000000000D5", "7F00000100002A9F0000000000000D5A00", strings.Repeat("g", 32),
		"7F0000010001B38C18B4AAC2A1B40000", // a UNIQ_KEY of process 111500: no port is that high
		"7F000001000000000000000000000D5A", "7F00000100002A9FFFFFFFFFFFFFFFFF", "01ABCDEF0123456789ABCDEF0123456789",
	} {
		if host, offset, err := ParseMessageID(id); err == nil {
			t.Errorf("%q accepted as %s, %d", id, host, offset)
		}
	}
}

func FuzzDecodeMessages(f *testing.F) {
	v6 := sample()
	v6.SysFlag |= sysFlagBornV6
	v6.BornHost = netip.MustParseAddrPort("[2001:db8::1]:80")
	f.Add(appendMessage(appendMessage(nil, sample(), false), v6, true))
	f.Add(appendMessage(nil, sample(), false)[:50])
	f.Fuzz(func(t *testing.T, b []byte) {
		msgs, err := DecodeMessages(b)
		total := 0
		for _, m := range msgs {
			total += len(m.Body) + len(m.Topic)
			if _, _, err := ParseMessageID(m.OffsetID()); err != nil && m.StoreHost.Port() != 0 && m.PhysicalOffset >= 0 {
				t.Fatalf("offset id %s: %v", m.OffsetID(), err)
			}
		}
		if total > len(b) || err == nil && len(b) > 0 && len(msgs) == 0 {
			t.Fatalf("%d bytes gave %d messages of %d bytes, %v", len(b), len(msgs), total, err)
		}
	})
}

func FuzzProperties(f *testing.F) {
	f.Add("a\x011\x02b\x012\x02")
	f.Add("junk\x02\x01\x01\x02")
	f.Fuzz(func(t *testing.T, s string) {
		props := DecodeProperties(s)
		again, err := EncodeProperties(props)
		if err != nil {
			return // not UTF-8, or too long
		}
		if diff := cmp.Diff(props, DecodeProperties(again)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzMessageID(f *testing.F) {
	f.Add("7F00000100002A9F0000000000000D5A")
	f.Add("20010DB800000000000000000000000200002A9F00000100000000FF")
	f.Fuzz(func(t *testing.T, id string) {
		host, offset, err := ParseMessageID(id)
		if err == nil && (!strings.EqualFold(FormatMessageID(host, offset), id) || offset < 0) {
			t.Fatalf("%s became %s", id, FormatMessageID(host, offset))
		}
	})
}

func FuzzParseProperties(f *testing.F) {
	f.Add([]byte("brokerName=b1\nmessageDelayLevel=1s 5s\n# c\nx\n=y\na=b=c\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg, err := parseProperties(b)
		if err != nil {
			return
		}
		for k, v := range cfg {
			if strings.ContainsAny(k+v, "\n") {
				t.Fatalf("%q=%q", k, v)
			}
		}
	})
}

func TestParseProperties(t *testing.T) {
	got, err := parseProperties([]byte("#comment\n!x=1\nmessageDelayLevel=1s 5s\r\n  storePath = /a\\b \nempty=\nnothing\na=b=c"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"messageDelayLevel": "1s 5s", "storePath": `/a\b`, "empty": "", "a": "b=c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parseProperties([]byte{'a', '=', 255}); err == nil {
		t.Error("bytes that are not UTF-8 passed")
	}
}
