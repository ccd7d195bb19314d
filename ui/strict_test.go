package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"deadletteroffice/dlq"
)

// openWords are the query parameters that take any text, since anybody may name a consumer group so; all others have
// values of which each can be told to be wrong.
var openWords = []string{"consumer_group", "topic", "reason", "rule", "owner", "actor", "receiver", "alert", "name", "target_name", "target_topic"}

// samePath fills the parameters of a path with what the house has.
func samePath(path string) string {
	return strings.NewReplacer("{id}", "1", "{version}", "1", "{topic}", "%25DLQ%25pay-service", "{name}", "ops").Replace(path)
}

// Every query parameter of every call in the document refuses nonsense, and every call refuses a parameter that it does
// not know, with a word on what to do.
func TestNonsenseIsRefused(t *testing.T) {
	a := newHouse(t)
	refused := func(method, address, body, must string) {
		t.Helper()
		w := a.call(method, apiBase+address, body)
		p := decode[Problem](t, w.Body.Bytes())
		if w.Code != http.StatusBadRequest || p.Code != dlq.CodeInvalid || !strings.Contains(p.Detail, must) {
			t.Errorf("%s %s %s: %d %s", method, address, body, w.Code, w.Body)
		}
	}
	checked := 0
	for path, item := range loadDocument(t).Paths.Map() {
		path, ours := strings.CutPrefix(path, apiBase)
		if !ours {
			continue
		}
		for method, op := range item.Operations() {
			body := ""
			if op.RequestBody != nil {
				body = "{}"
			}
			refused(method, samePath(path)+"?nonsense=1", body, `"nonsense"`)
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				if p.Value.Name == "cursor" && strings.HasPrefix(path, "/operations") {
					continue // operations are played here; those of the store have a test there
				}
				if p.Value.In != openapi3.ParameterInQuery || slices.Contains(openWords, p.Value.Name) {
					continue
				}
				checked++
				bad := "nonsense"
				if p.Value.Name == "q" {
					bad = "foo:bar"
				}
				refused(method, samePath(path)+"?"+p.Value.Name+"="+url.QueryEscape(bad), body, "")
				if p.Value.Name != "q" && p.Value.Name != "cursor" && p.Value.Name != "fingerprint" {
					refused(method, samePath(path)+"?"+p.Value.Name+"=", body, "empty")
				}
			}
		}
	}
	if checked < 30 {
		t.Errorf("the document has only %d parameters to check", checked)
	}
	// The choice of letters for an operation is as strict as the list.
	for _, query := range []string{"tab=nonsense", "within=banana", "state=nonsense", "route=", "died_after=yesterday", "q=foo:bar", "q=age<banana", "consumergroup=a"} {
		body, err := json.Marshal(map[string]any{"kind": "discard", "query": query})
		if err != nil {
			t.Fatal(err)
		}
		refused("POST", "/operations", string(body), "")
	}
}

func TestWordsOfASearch(t *testing.T) {
	for q, want := range map[string]string{
		"":                          "",
		"timed out":                 "",
		`"foo:bar" 库存`:              "",
		"http://example.com:80":     "",
		"gateway.pay:443":           "",
		"com.acme.Pay::charge":      "",
		"a::b":                      "",
		"12:30 1<2 x<y":             "",
		`{"order":1} caused: by it`: "",
		"order:42":                  "between double quotes",
		"reason:network_timeout":    "reason=",
		"group:pay":                 "consumer_group=",
		"消费组：支付":                    "consumer_group=",
		"reson:network_timeout":     `did you mean "reason:"`,
		`ruel:"a b"`:                `did you mean "rule:"`,
		"age<banana":                "died_after=",
		"age>=2h":                   "died_after=",
	} {
		err := checkText(q)
		if (err == nil) != (want == "") || err != nil && (dlq.CodeOf(err) != dlq.CodeInvalid || !strings.Contains(problemOf(err, "").Hint, want)) {
			t.Errorf("%s: %v %q", q, err, problemOf(err, "").Hint)
		}
	}
}

// "Without a rule" is a choice of its own: it was once passed over, and then everything was chosen.
func TestAnEmptyWordAsksForLettersWithoutOne(t *testing.T) {
	a := newHouse(t)
	for query, want := range map[string]int64{"tab=attention": 3, "tab=attention&owner=": 3, "tab=attention&rule=": 0, "tab=attention&topic=": 0, "tab=attention&q=": 3} {
		page := decode[dlq.Page](t, a.call("GET", apiBase+"/letters?"+query, "").Body.Bytes())
		if page.Total.Count != want {
			t.Errorf("%s: %d letters, want %d", query, page.Total.Count, want)
		}
	}
}
