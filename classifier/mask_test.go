package classifier

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMask(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"dial tcp 10.8.0.42:443: i/o timeout", "dial tcp <ip>: i/o timeout"},
		{"连接 10.8.0.17:443 超时", "连接 <ip> 超时"},
		{"客户 1042 超出信用额度", "客户 <num> 超出信用额度"},
		{"第1行第 １２ 列出现意外字符 “<”，应为 JSON", "第<num>行第 <num> 列出现意外字符 <str>，应为 JSON"},
		{"order ORD-20261121-0042 not found", "order ORD-<num>-<num> not found"},
		{"connection to order-db-1017 refused", "connection to order-db-<num> refused"},
		{"gateway did not answer within 3000 ms, payment 1042", "gateway did not answer within <num> ms, payment <num>"},
		{"took 3000ms of 2.5s", "took <num>ms of <num>s"},
		{"user 6f1c2b9e-5a34-4d8e-9c1b-0a1b2c3d4e5f gone", "user <uuid> gone"},
		{"at 2026-11-21T10:20:30.123Z and 2026-11-21 10:20:30", "at <ts> and <ts> <ts>"},
		{"com.shop.Order@6d06d69c is closed", "com.shop.Order@<hex> is closed"},
		{"commit deadbeef0042 of trace 4bf92f3577b34da6a3ce929d0e0e4736", "commit <hex> of trace <hex>"},
		{"can't open 'C:/data/1.txt' for \"Ada\"", "can't open <str> for <str>"},
		{"token a8Fk3Zq91LmX0 expired", "token <id> expired"},
		{"amount 1,234.56 exceeds -99.5", "amount <num> exceeds -<num>"},
		{"SKU00412: 0 of 3 left", "SKU<num>: <num> of <num> left"},
		{"java.lang.IllegalStateException: no\n\tat com.shop.A.b(A.java:42)", "java.lang.IllegalStateException: no"},
		{"\n\n  first line  \nsecond", "first line"},
		{"unclosed 'quote 7", "unclosed 'quote <num>"},
		{"a   b\t c", "a b c"},
	} {
		if got := Mask(tt.text); got != tt.want {
			t.Errorf("Mask(%q)\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}

// Texts of one kind of failure fall together, others stay apart.
func TestFingerprint(t *testing.T) {
	alike := fingerprint("network_timeout", "dial tcp 10.8.0.1:443: i/o timeout")
	if len(alike) != 16 || strings.Trim(alike, "0123456789abcdef") != "" {
		t.Errorf("%q is not 16 hex digits", alike)
	}
	if got := fingerprint("network_timeout", "dial tcp 192.168.17.200:8443: i/o timeout\n\tat x"); got != alike {
		t.Errorf("another address makes another fingerprint")
	}
	for _, other := range []string{fingerprint("system_error", "dial tcp 10.8.0.1:443: i/o timeout"), fingerprint("network_timeout", "dial tcp 10.8.0.1:443: refused")} {
		if other == alike {
			t.Error("another failure has the same fingerprint")
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"连接 10.8.0.17:443 超时", "can't 'x", "\xff\xfe1", "“a”1a2b@c0ffee", "2026-11-21T10:20:30+08:00", "1.2.3.4.5:6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Mask(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n") {
			t.Errorf("Mask(%q) = %q", s, got)
		}
		for _, c := range []byte(got) {
			if digit(c) {
				t.Errorf("Mask(%q) = %q keeps a digit", s, got)
			}
		}
	})
}
