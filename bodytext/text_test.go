package bodytext

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const order = `{"orderNo":"订单20260101","payer":"张三","failure_reason":"network_timeout","failure_detail":"连接超时"}`

// in writes a text in a charset.
func in(t testing.TB, c Charset, text string) []byte {
	t.Helper()
	b, err := Encode(text, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDetect(t *testing.T) {
	table := []struct {
		name string
		body []byte
		want Charset
	}{
		{"empty", nil, UTF8}, {"ascii", []byte(`{"a":1}`), UTF8}, {"chinese", []byte(order), UTF8}, {"emoji", []byte("🙂"), UTF8},
		{"a BOM", []byte("\xef\xbb\xbf" + order), UTF8}, {"FIX", []byte("8=FIX.4.2\x019=178\x0135=8"), UTF8}, {"a C string", []byte("{\"a\":1}\x00"), UTF8},
		{"nothing but zeros", make([]byte, 64), Binary}, {"text with a zero", []byte("abc\x00order-123456 def"), Binary},
	}
	for _, text := range []string{order, "张三", "连接超时", "付款失败：余额不足", `{"name":"王小明","city":"上海市浦东新区"}`, "库存不足", `{"n":"订"}`, "您好，您的订单已发货，请注意查收。",
		"java.net.ConnectException: 拒绝连接 (Connection refused)", "<?xml version=\"1.0\" encoding=\"GBK\"?><订单><金额>100.00元</金额></订单>"} {
		table = append(table, struct {
			name string
			body []byte
			want Charset
		}{"GB18030 " + text, in(t, GB18030, text), GB18030})
	}
	for _, text := range []string{"訂單付款失敗", `{"訂單":"20260101","客戶":"陳小明","原因":"連線逾時"}`, "您好，您的訂單已出貨，請注意查收。", "庫存不足", "無法連線到伺服器"} {
		table = append(table, struct {
			name string
			body []byte
			want Charset
		}{"Big5 " + text, in(t, Big5, text), Big5})
	}
	for _, text := range []string{"注文の支払いに失敗しました", `{"注文":"20260101","顧客":"田中さん","理由":"接続がタイムアウトしました"}`, "在庫が不足しています", "ありがとう", "エラー"} {
		table = append(table, struct {
			name string
			body []byte
			want Charset
		}{"Shift-JIS " + text, in(t, ShiftJIS, text), ShiftJIS})
	}
	for _, c := range []Charset{UTF16LE, UTF16BE} {
		for _, text := range []string{order, `{"a":1}`, "订单 order-1 失败 failed", "付款OK！done，订单PAY-1"} {
			table = append(table, struct {
				name string
				body []byte
				want Charset
			}{string(c) + " " + text, in(t, c, text), c})
		}
		table = append(table, struct {
			name string
			body []byte
			want Charset
		}{string(c) + " with a BOM", append([]byte(boms[c]), in(t, c, "张三")...), c})
	}
	raw := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sum := sha256.Sum256([]byte("x"))
	for name, body := range map[string][]byte{
		"an integer": {0, 0, 1, 0x2c}, "integers": {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}, "a hash": sum[:],
		"java serialization": raw("aced0005 7372 000e 6578616d706c652e4f72646572 0000000000000001 0200 00 7870"),
		"hessian":            raw("4d740013 636f6d2e6578616d706c652e4f72646572 5300056f72646572 53000c 6f726465722d313233343536 7a"),
		"kryo":               raw("0100 636f6d2e6578616d706c652e4f726465f2 01 6f726465722d31323334b6"),
		"protobuf":           raw("0a0c6f726465722d313233343536 1096 01 1d0000803f"),
		"png":                raw("89504e470d0a1a0a0000000d49484452"), "gzip": pack(t, "gzip", order), "zlib": pack(t, "zlib", order), "zstd": pack(t, "zstd", order), "lz4": pack(t, "lz4", order),
		"windows-1252": []byte("{\"name\":\"M\xfcller\",\"town\":\"K\xf6ln\",\"text\":\"\x93Caf\xe9\x94\"}"), "floats": binary.LittleEndian.AppendUint64(nil, 0x400921fb54442d18),
		"utf-32": raw("fffe0000 41000000"), "msgpack": raw("82a56f72646572ac6f726465722d313233343536a6616d6f756e74cb4059000000000000"),
		"GB18030 with a control character": append(in(t, GB18030, order), 0x05),
	} {
		table = append(table, struct {
			name string
			body []byte
			want Charset
		}{name, body, Binary})
	}
	for _, tt := range table {
		if got := Detect(tt.body); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Bytes without meaning are hardly ever taken for a text.
func TestDetectNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for size, most := range map[int]int{4: 700, 8: 150, 16: 20, 32: 2, 64: 0} { // of two characters little can be told
		taken := map[Charset]int{}
		const tries = 20000
		for range tries {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			if c := Detect(b); c != Binary && c != UTF8 {
				taken[c]++
			}
		}
		n := 0
		for _, k := range taken {
			n += k
		}
		if n > most {
			t.Errorf("%d of %d bodies of %d random bytes were taken for %v", n, tries, size, taken)
		}
	}
}

func TestDetectLongBodies(t *testing.T) {
	for _, c := range []Charset{GB18030, Big5, ShiftJIS, UTF16LE, UTF16BE, UTF8} {
		for pad := range 4 {
			text := strings.Repeat("x", pad) + strings.Repeat("付款失敗 ok 連線 の ", 20000)
			if got := Detect(in(t, c, text)); got != c {
				t.Errorf("%s, shifted by %d: %q", c, pad, got)
			}
		}
	}
}

// What is read is written again with the same bytes, but for what a person changed.
func TestEncode(t *testing.T) {
	for _, c := range Charsets {
		text := "abc 订单 失败 { }\r\n"
		switch c {
		case Big5:
			text = "abc 訂單 失敗 { }\r\n"
		case ShiftJIS, EUCJP:
			text = "abc 注文の失敗 { }\r\n"
		case EUCKR:
			text = "abc 주문 실패 { }\r\n"
		case Latin1:
			text = "abc café { }\r\n"
		}
		for _, bom := range []string{"", boms[c]} {
			body := append([]byte(bom), in(t, c, text)...)
			got, wrong := Decode(body, c)
			if got != text || wrong != 0 {
				t.Errorf("%s: %q, %d wrong", c, got, wrong)
			}
			for _, edit := range []string{text, "x" + text, text + "y", strings.Replace(text, "{", "{1", 1), "", text[:4], text + text} {
				b, err := Encode(edit, c, body)
				if err != nil {
					t.Fatal(err)
				}
				if want := append([]byte(bom), in(t, c, edit)...); !bytes.Equal(b, want) {
					t.Errorf("%s, %q: % x, want % x", c, edit, b, want)
				}
			}
		}
	}
	// Two spellings of one character, and bytes that are none, stay as they are.
	body := append([]byte("a \x87\x90 b "), "\x81\xe0 c \xff d"...) // NEC's ≒ and that of JIS
	text, wrong := Decode(body, ShiftJIS)
	if wrong != 1 || strings.Count(text, "≒") != 2 {
		t.Fatalf("%q, %d wrong", text, wrong)
	}
	for from, to := range map[string]string{" d": " D", "a ": "aa ", " b ": " bb "} {
		b, err := Encode(strings.Replace(text, from, to, 1), ShiftJIS, body)
		if want := bytes.Replace(body, []byte(from), []byte(to), 1); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%q for %q: % x, want % x (%v)", to, from, b, want, err)
		}
	}
	var e *Unwritable
	if _, err := Encode("付款 🙂", Big5, nil); !errors.As(err, &e) || e.Rune != '🙂' || e.Charset != Big5 {
		t.Errorf("%v", err)
	}
	if _, err := Encode("new \uFFFD", GB18030, nil); !errors.As(err, &e) {
		t.Errorf("%v", err)
	}
	if b, err := Encode("付款 🙂", GB18030, nil); err != nil || Detect(b) != GB18030 {
		t.Errorf("% x, %v", b, err)
	}
}

// pack compresses a text.
func pack(t testing.TB, format, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch format {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	case "snappy":
		w = snappy.NewBufferedWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpen(t *testing.T) {
	for _, format := range []string{"gzip", "zlib", "lz4", "snappy", "zstd"} {
		body := pack(t, format, order)
		if o := Open(body, 1<<20); o.Format != format || string(o.Body) != order || o.More || o.Broken {
			t.Errorf("%s: %+v", format, o)
		}
		if o := Open(body, 10); string(o.Body) != order[:10] || !o.More || o.Broken {
			t.Errorf("%s up to 10 bytes: %+v", format, o)
		}
		if o := Open(body, len(order)); string(o.Body) != order || o.More {
			t.Errorf("%s up to its size: %+v", format, o)
		}
		bomb := pack(t, format, strings.Repeat("\x00", 64<<20))
		if o := Open(bomb, 1000); len(o.Body) != 1000 || !o.More {
			t.Errorf("%s, a bomb: %d bytes", format, len(o.Body))
		}
		long := pack(t, format, strings.Repeat(order, 10000))
		if o := Open(long[:len(long)-20], 10<<20); o.Format != "" && !o.Broken {
			t.Errorf("%s, cut: %d bytes, %+v", format, len(o.Body), o.Broken)
		}
		if got := Words(body, false, 1<<16); got != order {
			t.Errorf("%s: words %q", format, got)
		}
	}
	gb := pack(t, "gzip", string(in(t, GB18030, order)))
	if got := Words(gb, false, 1<<16); got != order {
		t.Errorf("GB18030 in gzip: %q", got)
	}
	for _, plain := range []string{order, "", "x\x9c is not zlib", "BZh", "\x1f\x8b\x08"} {
		if o := Open([]byte(plain), 100); o.Format != "" {
			t.Errorf("%q was opened as %s", plain, o.Format)
		}
	}
}

func TestPieces(t *testing.T) {
	for _, body := range []string{
		"\x00\x01order-123456\x00tail",                              // as in C
		"S\x00\x0corder-123456z",                                    // Hessian
		"\x0a\x0corder-123456\x10\x96\x01",                          // protobuf
		"\xff\x01order-12345\xb6\x00",                               // Kryo
		"\x0a0order-123456xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 库存不足\xff", // a length of 48 looks like a 0
	} {
		words := Words([]byte(body), false, 1<<16)
		if !strings.Contains(words, "123456") && !strings.Contains(words, "order-123456") {
			t.Errorf("%q: %q", body, words)
		}
	}
	list, more := Pieces([]byte("\x00abc\x01库存不足\x02x\x03order-123456"), 100)
	if more || len(list) != 2 || list[0] != (Piece{5, "库存不足"}) || list[1] != (Piece{20, "order-123456"}) {
		t.Errorf("%+v %v", list, more)
	}
	if list, more := Pieces([]byte("\x00abcdef\x00ghijkl"), 7); !more || len(list) != 1 {
		t.Errorf("%+v %v", list, more)
	}
	// A character that the end of what was read cuts in two does not make a text binary.
	for cut := 1; cut < 3; cut++ {
		body := []byte(strings.Repeat("订单", 10))
		if got := Words(body[:len(body)-cut], true, 1<<16); !strings.HasPrefix(got, strings.Repeat("订单", 9)+"订") {
			t.Errorf("cut by %d: %q", cut, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(order))
	f.Add(in(f, GB18030, order))
	f.Add(in(f, UTF16LE, order))
	for _, format := range []string{"gzip", "zlib", "lz4", "snappy", "zstd"} {
		f.Add(pack(f, format, order))
	}
	f.Add([]byte("\xff\x01order-12345\xb6\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := Detect(body)
		text, _ := Decode(body, c)
		if c != Binary {
			if got, err := Encode(text, c, body); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s: % x became % x (%v)", c, body, got, err)
			}
			if got, err := Encode(text+"x", c, body); err == nil && !bytes.HasPrefix(got, body) {
				t.Errorf("%s: % x with one more letter became % x", c, body, got)
			}
		}
		if o := Open(body, 1000); len(o.Body) > 1000 {
			t.Errorf("%d bytes", len(o.Body))
		}
		if words := Words(body, true, 1000); len(words) > 8000 && len(words) > 3*len(body) {
			t.Errorf("%d bytes of words", len(words))
		}
		for _, c := range Charsets {
			Decode(body, c)
		}
		AsUTF8(body)
	})
}
