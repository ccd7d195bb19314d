package ui

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/dlq"
)

func TestNearest(t *testing.T) {
	words := []string{"note", "version", "until", "route", "consumer_group", "id"}
	for given, want := range map[string]string{"notes": "note", "Note": "note", "vresion": "version", "consumergroup": "consumer_group",
		"utnil": "until", "x": "", "": "", "message": "", "ids": "id", strings.Repeat("note", 30): ""} {
		if got, ok := nearest(given, words); got != want || ok != (want != "") {
			t.Errorf("%q: %q", given, got)
		}
	}
}

func TestDistance(t *testing.T) {
	short := func(s string) string { return cut(s, 20) }
	same := func(s string) bool { s = short(s); return distance(s, s) == 0 }
	both := func(a, b string) bool { a, b = short(a), short(b); return distance(a, b) == distance(b, a) }
	bound := func(a, b string) bool { a, b = short(a), short(b); return distance(a, b) <= max(len(a), len(b)) }
	for _, property := range []any{same, both, bound} {
		if err := quick.Check(property, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestDecodeJSON(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	var got snooze
	if err := decodeJSON([]byte(`{"version": 3, "until": "2026-11-22T08:00:00+08:00", "note": null}`), reflect.ValueOf(&got).Elem(), ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(snooze{plainAct{Version: 3}, &at}, got, cmp.AllowUnexported(snooze{}, plainAct{}, letterID{})); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		`{"until":"tomorrow"}`:             `"until" is not an instant`,
		`{"until":{}}`:                     `"until" is not an instant`,
		`{"version":1.5}`:                  `"version" is not a whole number`,
		`{"version":99999999999999999999}`: `"version" is not a whole number`,
		`{"version":3,}`:                   `is not JSON`,
		`{"version" 3}`:                    `is not JSON`,
		`{version:3}`:                      `is not JSON`,
		`{`:                                `is not JSON`,
		``:                                 `not an object`,
		`"x"`:                              `not an object`,
		`{} x`:                             `follows the end`,
		`{"letterID":1}`:                   `not known`,
		`{"ID":1}`:                         `not known`,
	} {
		var into snooze
		err := decodeJSON([]byte(text), reflect.ValueOf(&into).Elem(), "")
		if dlq.CodeOf(err) != dlq.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Whatever comes, the answer is a value or an error of CodeInvalid; and what is taken is what encoding/json reads too.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"version":3,"door":"B","delay":"10s","deliver_at":"2026-11-22T00:00:00Z","as_new":true,"note":"x"}`, `{"delay":"-5m"}`, `[[[[`, `{"note":"\ud800"}`, `{"a":{"b":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var ours, theirs dlq.ReplayRequest
		if err := decodeJSON(text, reflect.ValueOf(&ours).Elem(), ""); err != nil {
			if dlq.CodeOf(err) != dlq.CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if err := json.Unmarshal(text, &theirs); err != nil {
			t.Fatalf("%q is taken, and is not JSON: %v", text, err)
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

func TestEncodeNeverWritesNullLists(t *testing.T) {
	shared := []dlq.Letter{{ID: 1}}
	text, err := encode(struct {
		Page    dlq.Page       `json:"page"`
		Detail  *dlq.Detail    `json:"detail"`
		Facets  dlq.Facets     `json:"facets"`
		Raw     []byte         `json:"raw"`
		Nothing *RulesRefusal  `json:"nothing"`
		Verdict *dlq.Verdict   `json:"verdict,omitempty"`
		Map     map[string]int `json:"map"`
		Opt     []string       `json:"opt,omitempty"`
		Lists   [][]int64      `json:"lists"`
	}{Page: dlq.Page{Items: shared}, Detail: &dlq.Detail{Letter: dlq.Letter{ID: 2}}, Lists: [][]int64{nil, {1}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"flags":[]`, `"history":[]`, `"properties":{}`, `"tabs":{}`, `"raw":null`, `"nothing":null`, `"map":{}`, `"lists":[[],[1]]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	if n := strings.Count(string(text), "null"); n != 2 {
		t.Errorf("%d times null: %s", n, text)
	}
	if strings.Contains(string(text), `"opt"`) || strings.Contains(string(text), `"verdict":{}`) {
		t.Errorf("%s", text)
	}
	if shared[0].Flags != nil {
		t.Error("encoding writes to what others share")
	}
}

func TestMetrics(t *testing.T) {
	a := newAPI(t, nil)
	a.call("GET", apiBase+"/letters/41", "")
	a.call("GET", apiBase+"/letters/99", "")
	a.call("BREW", apiBase+"/letters/99", "")
	a.call("GET", "/some/path/of/a/scanner", "")
	problems, err := testutil.GatherAndLint(a.Gatherer)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	w := a.call("GET", "/metrics", "")
	for _, want := range []string{
		`dlq_http_requests_total{code="2xx",method="GET",route="/api/v1/letters/:id"} 1`,
		`dlq_http_requests_total{code="4xx",method="GET",route="/api/v1/letters/:id"} 1`,
		`dlq_http_requests_total{code="4xx",method="other",route="/api/v1/letters/:id"} 1`,
		`dlq_http_requests_total{code="4xx",method="GET",route="/*"} 1`,
		`dlq_http_request_duration_seconds_bucket{code="2xx",method="GET",route="/api/v1/letters/:id",le="0.005"}`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("/metrics lacks %s:\n%s", want, w.Body)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	a := newAPI(t, nil)
	if got := a.call("GET", "/healthz", "", "X-Request-Id: abc-123").Header().Get("X-Request-Id"); got != "abc-123" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"", "a b", "a\nb", strings.Repeat("a", 65), "<x>"} {
		if got := a.call("GET", "/healthz", "", "X-Request-Id: "+bad).Header().Get("X-Request-Id"); len(got) != 16 {
			t.Errorf("%q -> %q", bad, got)
		}
	}
	w := a.call("GET", apiBase+"/letters/99", "", "X-Request-Id: abc-123")
	if !strings.Contains(w.Body.String(), `"request_id":"abc-123"`) {
		t.Errorf("%s", w.Body)
	}
}
