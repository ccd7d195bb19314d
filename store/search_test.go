package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

func TestIndexText(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"Order PAY-2026, paid": "order pay 2026 paid",
		"库存不足":                 "库存 存不 不足 足",
		"库":                    "库",
		"SKU库存A不":              "sku 库存 存 a 不",
		`{"a":"\u5e93\u5b58","b":"\ud83d\ude00x"}`: "a 库存 存 b x",
		`C:\users \u12`:                "c users u12",
		"ＳＫＵ－００４１２":                    "sku 00412",
		"ÀÉ straße ДОМ":                "àé straße дом",
		"注文の確認":                        "注文 文の の確 確認 認",
		"한국어":                          "한국 국어 어",
		"a\x00b\xffc":                  "a b c",
		strings.Repeat("x", 100):       strings.Repeat("x", 64),
		strings.Repeat("x", 63) + "éé": strings.Repeat("x", 63),
	} {
		if got := strings.TrimSpace(indexText(text)); got != want {
			t.Errorf("%q is indexed as %q, want %q", text, got, want)
		}
	}
}

func TestParseQuery(t *testing.T) {
	for query, want := range map[string]phrase{
		"":                  {},
		" *** ,,":           {},
		"Order":             {match: `"order"`},
		"库":                 {match: `"库"*`},
		"库存":                {match: `"库存"`},
		"库存不足":              {match: `"库存" AND "存不" AND "不足"`, needles: []string{"库存不足"}},
		"PAY-1 paid":        {match: `"pay" AND "1" AND "paid"`, needles: []string{"pay-1"}},
		`"OR" NEAR(a b) -c`: {match: `"or" AND "near" AND "a" AND "b" AND "c"`, needles: []string{"near(a"}},
		"orders2025*":       {match: `"orders2025"*`},
		"ord*":              {match: `"ord"`},
		"text:a":            {match: `"text" AND "a"`, needles: []string{"text:a"}},
	} {
		got := parseQuery(query)
		if n := strings.Count(want.match, `"`) / 2; got.tokens != n {
			t.Errorf("%q has %d tokens, want %d", query, got.tokens, n)
		}
		got.tokens = 0
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(phrase{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
}

// Whatever a person types, full text gets no syntax error, and a text is found by each of its own parts.
func FuzzSearch(f *testing.F) {
	for _, q := range []string{`"`, `a" OR "b`, "库存", "NEAR(a, b)", "*", "a*b*", "-a", "^a", "{text}: x", "\x00", "\xff\xfe", `\u0022`, "ａ＂", "ǅ", "İ", "ß", "ﬁ", "é"} {
		f.Add(q)
	}
	s := open(f, Options{})
	admit(f, s, batchOf("pay", 0, 1))
	next := int64(1)
	f.Fuzz(func(t *testing.T, query string) {
		if _, err := s.Letters(context.Background(), dlq.Filter{Query: query}, "", 5); err != nil {
			if parseQuery(query).tokens > maxTokens && dlq.CodeOf(err) == dlq.CodeInvalid {
				return
			}
			t.Fatalf("%q: %v", query, err)
		}
		if len(query) > 1000 || strings.ContainsRune(query, 0) || !utf8.ValidString(query) {
			return
		}
		b := batchOf("pay", next, next+1)
		b.Arrivals[0].Message.Body = []byte("before " + query + " after")
		admit(t, s, b)
		next++
		indexAll(t, s)
		for _, part := range strings.Fields(query) {
			if strings.ContainsAny(part, `*"'`) || parseQuery(part).match == "" {
				continue
			}
			p, err := s.Letters(context.Background(), dlq.Filter{Query: part}, "", 1)
			if err != nil || len(p.Items) != 1 || p.Items[0].ID != next {
				t.Fatalf("%q does not find its own text: %+v, %v", part, p.Items, err)
			}
		}
	})
}

func TestSearch(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 6)
	bodies := []string{
		`{"reason":"库存不足","sku":"SKU-00412"}`,
		`{"reason":"\u5e93\u5b58\u4e0d\u8db3"}`,
		`{"reason":"库存充足，余额不足，存不住"}`, // the pairs of 库存不足, but not the word
		"pay 1 and pay-1",
		"\x00\x01binary 库存",
		strings.Repeat("x ", 40<<10) + "beyond the limit",
	}
	for i, text := range bodies {
		b.Arrivals[i].Message.Body = []byte(text)
		b.Arrivals[i].Facts.ReasonText = ""
	}
	b.Arrivals[5].Facts.ReasonText = "Connection RESET by peer"
	admit(t, s, b)
	find := func(query string) []int64 {
		t.Helper()
		ids := []int64{}
		for _, l := range list(t, s, dlq.Filter{Query: query}).Items {
			ids = append(ids, l.ID)
		}
		return ids
	}
	// Ids and keys as a whole are found before full text has caught up.
	for query, want := range map[string][]int64{"UK-pay-3": {4}, "ID-pay-3": {4}, "ORIGIN-pay-3": {4}, "PAY-pay-3": {4}, " 3 ": {4, 3}, "库存": {}} {
		if diff := cmp.Diff(want, find(query)); diff != "" {
			t.Errorf("before indexing, %q (-want +got):\n%s", query, diff)
		}
	}
	if _, err := s.Letters(t.Context(), dlq.Filter{Query: strings.Repeat("a ", maxTokens)}, "", 5); err != nil {
		t.Errorf("a long query: %v", err)
	}
	_, err := s.Letters(t.Context(), dlq.Filter{Query: strings.Repeat("a ", maxTokens+1)}, "", 5)
	wantCode(t, err, dlq.CodeInvalid)
	if p := list(t, s, dlq.Filter{Query: "库存"}); p.SearchLag != 6 {
		t.Errorf("lag %d", p.SearchLag)
	}
	indexAll(t, s)
	for query, want := range map[string][]int64{
		"库存":           {5, 3, 2, 1}, // also in binary bodies
		"库存不足":         {2, 1},
		"足":            {3, 2, 1},
		"sku-00412":    {1},
		"SKU 00412":    {1},
		"sku-00413":    {},
		"pay-1":        {4, 2}, // a text, and UNIQ_KEY UK-pay-1
		"reset peer":   {6},
		"reset-peer":   {},
		"beyond":       {},
		"binary":       {5},
		"connection*":  {6},
		"connectio*":   {6},
		"conne*":       {},
		"UK-pay-3":     {4},
		"uk-pay-3":     {4},
		"6":            {6},
		"库存 sku":       {1},
		"network_time": {},
	} {
		if diff := cmp.Diff(want, find(query)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	if p := list(t, s, dlq.Filter{Query: "足", Reasons: []string{"data_format_error"}, Tab: dlq.TabAttention}); len(p.Items) != 1 || p.Items[0].ID != 2 || p.Total != (dlq.Count{Count: 1, Exact: true}) || p.SearchLag != 0 {
		t.Errorf("with a filter: %+v", p)
	}
	if p := list(t, s, dlq.Filter{Query: "库存", Tab: dlq.TabResolved}); len(p.Items) != 0 {
		t.Errorf("in another tab: %+v", p)
	}
	after := newClock().t.Add(1500 * time.Millisecond)
	if p := list(t, s, dlq.Filter{Query: "足", DiedAfter: &after}); len(p.Items) != 1 || p.Items[0].ID != 3 {
		t.Errorf("in a window of time: %+v", p.Items)
	}
	// A letter that died again is found by its new text at its new place, no longer by the old one.
	again := batchOf("pay", 6, 7)
	again.Arrivals[0].Join = &dlq.Join{LetterID: 1}
	again.Arrivals[0].Message.Body = []byte("账户余额")
	admit(t, s, again)
	indexAll(t, s)
	if got := find("余额"); !slices.Equal(got, []int64{1, 3}) {
		t.Errorf("the new text: %v", got)
	}
	if got := find("sku-00412"); len(got) != 0 {
		t.Errorf("the old text: %v", got)
	}
	s.recount(t)
}

// Pages of a search put together are all hits once, newest first, with and without filters and phrases.
func TestSearchPages(t *testing.T) {
	s := open(t, Options{})
	for from := int64(0); from < 6000; from += 1000 {
		b := batchOf("pay", from, from+1000)
		for i := range b.Arrivals {
			text := "库存充足，余额不足，存不住"
			if (from+int64(i))%3 == 0 {
				text = "库存不足"
			}
			b.Arrivals[i].Message.Body = fmt.Appendf(nil, `{"n":"%d","text":"%s"}`, i, text)
		}
		admit(t, s, b)
	}
	indexAll(t, s)
	for name, tt := range map[string]struct {
		f    dlq.Filter
		want func(id int64) bool
	}{
		"all":          {dlq.Filter{Query: "库存"}, func(int64) bool { return true }},
		"phrase":       {dlq.Filter{Query: "库存不足"}, func(id int64) bool { return (id-1)%3 == 0 }},
		"filter":       {dlq.Filter{Query: "库存", Reasons: []string{"data_format_error"}}, func(id int64) bool { return (id-1)%3 == 1 }},
		"none of them": {dlq.Filter{Query: "库存不足", Reasons: []string{"data_format_error"}}, func(int64) bool { return false }},
		"key":          {dlq.Filter{Query: "5"}, func(id int64) bool { return (id-1)%7 == 5 || id == 5 || (id-1)%1000 == 5 }},
	} {
		want := []int64{}
		for id := int64(6000); id > 0; id-- {
			if tt.want(id) {
				want = append(want, id)
			}
		}
		for _, limit := range []int{50, 333} {
			got := list2(t, s, tt.f, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", name, limit, diff[:min(len(diff), 2000)])
			}
		}
		p, err := s.Letters(t.Context(), tt.f, "", 50)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total.Exact && p.Total.Count != int64(len(want)) || p.Total.Count > int64(len(want)) {
			t.Errorf("%s: total %+v of %d", name, p.Total, len(want))
		}
		if name == "key" && !p.Total.Exact {
			t.Errorf("%s: the total is not exact: %+v", name, p.Total)
		}
		if name == "all" && p.Total != (dlq.Count{Count: facetTextCap}) {
			t.Errorf("%s: of %d letters %+v are counted", name, len(want), p.Total)
		}
	}
}

// A letter that dies again while full text is about to take its old text is left for its turn.
func TestDeathWhileIndexing(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 3))
	hold := make(chan struct{})
	busy := newJob(0, func(*tx) error { <-hold; return nil })
	s.lanes.push(lanePeople, busy)
	indexed := make(chan error)
	go func() {
		_, err := s.indexOnce(context.Background())
		indexed <- err
	}()
	for deadline := time.Now().Add(time.Minute); s.lanes.depth(laneBackground) == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("full text never asked to write")
		}
	}
	again := batchOf("pay", 3, 4)
	again.Arrivals[0].Join = &dlq.Join{LetterID: 1}
	again.Arrivals[0].Message.Body = []byte("another text")
	answer := s.Admit(t.Context(), []dlq.AdmitBatch{again}) // intake comes before full text
	close(hold)
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	if err := <-indexed; err != nil {
		t.Fatal(err)
	}
	s.recount(t)
	indexAll(t, s)
	s.recount(t)
	if p := list(t, s, dlq.Filter{Query: "another"}); len(p.Items) != 1 || p.Items[0].ID != 1 {
		t.Errorf("the new text finds %+v", p.Items)
	}
	if p := list(t, s, dlq.Filter{Query: "库存"}); len(p.Items) != 2 {
		t.Errorf("the old text finds %+v", p.Items)
	}
}
