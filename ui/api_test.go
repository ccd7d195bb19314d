package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

// scenario is one call with what its answer must and must not hold.
type scenario struct {
	name    string
	with    func(s *stub) // prepares the house
	method  string        // GET if empty
	url     string        // below /api/v1
	body    string
	status  int // 200 if 0
	must    []string
	mustNot []string
	done    string // what reached the desk, in words
}

func TestAPI(t *testing.T) {
	long := strings.Repeat("x", 4001)
	for _, sc := range []scenario{
		{name: "status", url: "/status", must: []string{`"version":"test"`, `"name_servers":["127.0.0.1:9876"]`, `"search_lag":5`, `"intake":{"stalled":false}`, `"demo":{}`}},
		{name: "status with a refused file and a stalled intake", with: func(s *stub) {
			s.current = func() rulebook.Snapshot {
				return rulebook.Snapshot{Version: dlq.RuleVersion{Version: 7}, Refused: &rulebook.Refusal{At: noon, Text: "rules: [",
					Diagnostics: []dlq.Diagnostic{{Severity: dlq.DiagnosticError}, {Severity: dlq.DiagnosticWarning}}}}
			}
			s.topics = func() ([]dlq.TopicInfo, error) {
				return []dlq.TopicInfo{{Readable: true, CheckedAt: noon.Add(-time.Hour)}}, nil
			}
		}, url: "/status", must: []string{`"rules":{"version":7,"refused":true,"errors":1}`, `"stalled":true,"since":"2026-11-21T11:00:00Z"`}},
		{name: "status while the cluster is away", with: func(s *stub) {
			s.status = func() dlq.ClusterStatus { return dlq.ClusterStatus{Error: "no name server answers"} }
			s.topics = func() ([]dlq.TopicInfo, error) {
				return []dlq.TopicInfo{{Readable: true, CheckedAt: noon.Add(-time.Hour)}}, nil
			}
		}, url: "/status", must: []string{`"reachable":false`, `"error":"no name server answers"`, `"stalled":false`, `"name_servers":[]`}},
		{name: "summary", url: "/summary", must: []string{`"letters":2`, `"last_event":"17"`, `"tabs":{}`, `"arrived_hours":[]`}},
		{name: "facets", url: "/facets?tab=attention", must: []string{`"consumer_groups":[{"value":"pay-service","count":7}]`, `"rules":[]`}},

		{name: "list", url: "/letters", must: []string{`"items":[{"id":"42"`, `"next":"abc"`, `"total":{"count":2,"exact":true}`, `"flags":[]`}, mustNot: []string{"null"}},
		{name: "list with every filter", url: "/letters?tab=in_flight&state=sending&state=awaiting&consumer_group=a&topic=t&reason=r&origin=body&rule=x&route=retry&severity=high&flag=edited&owner=o&fingerprint=00112233aabbccdd&outcome=waiting&died_after=2026-11-20T00:00:00Z&died_before=2026-11-21T00:00:00%2B01:00&q=PAY&cursor=c&limit=200"},
		{name: "an empty search is none", url: "/letters?tab=attention&q=&cursor="},
		{name: "an empty state is no state", url: "/letters?state=", status: 400, must: []string{"leave it out"}},
		{name: "a misspelt parameter", url: "/letters?consumergroup=a", status: 400, must: []string{`"code":"invalid"`, `did you mean \"consumer_group\"?`}},
		{name: "a parameter nobody knows", url: "/letters?sort-by=age", status: 400, must: []string{`"sort-by\" is not known`, `known are: `}},
		{name: "a misspelt state", url: "/letters?state=opne", status: 400, must: []string{`did you mean \"open\"?`}},
		{name: "a tab twice", url: "/letters?tab=attention&tab=snoozed", status: 400, must: []string{"given 2 times"}},
		{name: "too long a page", url: "/letters?limit=201", status: 400, must: []string{"between 1 and 200"}},
		{name: "a negative page", url: "/letters?limit=-1", status: 400},
		{name: "a page of words", url: "/letters?limit=ten", status: 400, must: []string{"not a whole number"}},
		{name: "a time without a zone", url: "/letters?died_after=2026-11-20", status: 400, must: []string{"not an instant such as"}},
		{name: "times the wrong way round", url: "/letters?died_after=2026-11-21T00:00:00Z&died_before=2026-11-20T00:00:00Z", status: 400},
		{name: "a query that is not escaped well", url: "/letters?q=%zz", status: 400},
		{name: "the store's own refusal", with: func(s *stub) {
			s.lettersF = func() error { return dlq.Errorf(dlq.CodeInvalid, "the cursor is not one of ours") }
		}, url: "/letters?cursor=x", status: 400, must: []string{"the cursor is not one of ours"}},
		{name: "our fault stays with us", with: func(s *stub) {
			s.lettersF = func() error { return errors.New("no such column: secret") }
		}, url: "/letters", status: 500, must: []string{`"detail":"Internal error"`, `"request_id":"`}, mustNot: []string{"secret"}},
		{name: "an internal error of the house stays with us", with: func(s *stub) {
			s.lettersF = func() error { return dlq.Errorf(dlq.CodeInternal, "table secret is broken") }
		}, url: "/letters", status: 500, mustNot: []string{"secret"}},
		{name: "a hidden cause stays hidden", with: func(s *stub) {
			s.lettersF = func() error {
				return fmt.Errorf("list: %w", dlq.Errorf(dlq.CodeUnavailable, "the disk is full: %w", errors.New("secret")))
			}
		}, url: "/letters", status: 503, must: []string{`"detail":"the disk is full"`}, mustNot: []string{"secret"}},
		{name: "a panic", with: func(s *stub) { s.lettersF = func() error { panic("secret") } }, url: "/letters", status: 500, mustNot: []string{"secret"}},

		{name: "a letter", url: "/letters/41", must: []string{`"id":"41"`, `"properties":{}`, `"history":[]`, `"calls":[]`}, mustNot: []string{"null"}},
		{name: "no letter", url: "/letters/99", status: 404, must: []string{`"code":"not_found"`, "there is no letter 99"}},
		{name: "an id of words", url: "/letters/abc", status: 400},
		{name: "an id beyond numbers", url: "/letters/99999999999999999999", status: 400},
		{name: "a letter with a parameter", url: "/letters/41?full=1", status: 400},
		{name: "explain before any rules", with: func(s *stub) { s.detail = func(d *dlq.Detail) { d.RuleVersion = 0 } }, url: "/letters/41/explain", must: []string{`"rules":[]`, `"route":"manual"`}},
		{name: "replay options", url: "/letters/41/replay-options", must: []string{`"default":"B"`, `"levels":[{"level":3,"delay":"10s"}]`, `"warnings":[]`}},

		{name: "replay", method: "POST", url: "/letters/41/replay", body: `{"version":3,"door":"B","delay":"10s","note":" bank is back "}`,
			must: []string{`"replay":{"id":"0123`, `"delay":"10s"`, `"version":4`}, done: "replay local bank is back "},
		{name: "replay without a version", method: "POST", url: "/letters/41/replay", body: `{}`, status: 400, must: []string{`\"version\" is missing`}},
		{name: "replay with a delay in numbers", method: "POST", url: "/letters/41/replay", body: `{"version":3,"delay":10}`, status: 400, must: []string{`"delay\" is not a duration such as`}},
		{name: "replay with a negative delay", method: "POST", url: "/letters/41/replay", body: `{"version":3,"delay":"-10s"}`, status: 400},
		{name: "replay through no door", method: "POST", url: "/letters/41/replay", body: `{"version":3,"door":"E"}`, status: 400},
		{name: "replay in the past", method: "POST", url: "/letters/41/replay", body: `{"version":3,"deliver_at":"2026-11-21T11:59:59Z"}`, status: 400},
		{name: "replay with two times", method: "POST", url: "/letters/41/replay", body: `{"version":3,"deliver_at":"2026-11-21T13:00:00Z","delay":"1s"}`, status: 400},
		{name: "replay as automation", method: "POST", url: "/letters/41/replay", body: `{"version":3,"automatic":true}`, status: 400, must: []string{"not known"}},
		{name: "somebody was quicker", method: "POST", url: "/letters/41/replay", body: `{"version":2}`, status: 409,
			must: []string{`"code":"conflict"`, `"letter":{"id":"41","version":3`, "look at it again"}},
		{name: "a replay that would lose the message", with: func(s *stub) {
			s.replay = func(dlq.ReplayRequest) error {
				return dlq.Errorf(dlq.CodeRefused, "a gRPC group never reads the retry topic")
			}
		}, method: "POST", url: "/letters/41/replay", body: `{"version":3}`, status: 422, must: []string{`"code":"refused"`}},
		{name: "the broker is away", with: func(s *stub) {
			s.replay = func(dlq.ReplayRequest) error { return dlq.Errorf(dlq.CodeUnavailable, "the broker does not answer") }
		}, method: "POST", url: "/letters/41/replay", body: `{"version":3}`, status: 503},

		{name: "discard", method: "POST", url: "/letters/41/discard", body: `{"version":3,"note":"test order"}`, must: []string{`"id":"41"`, `"version":4`}, done: "discard local test order "},
		{name: "discard without a note", method: "POST", url: "/letters/41/discard", body: `{"version":3}`, status: 400, must: []string{`\"note\" is missing`}},
		{name: "discard with a blank note", method: "POST", url: "/letters/41/discard", body: `{"version":3,"note":" \n"}`, status: 400},
		{name: "resolve without a note", method: "POST", url: "/letters/41/resolve", body: `{"version":3}`, status: 400},
		{name: "resolve", method: "POST", url: "/letters/41/resolve", body: `{"version":3,"note":"refunded"}`, done: "resolve local refunded "},
		{name: "restore", method: "POST", url: "/letters/41/restore", body: `{"version":3}`, done: "restore local  "},
		{name: "take", method: "POST", url: "/letters/41/take", body: `{"version":3}`, done: "take local  "},
		{name: "release", method: "POST", url: "/letters/41/release", body: `{"version":3}`, done: "release local  "},
		{name: "cancel", method: "POST", url: "/letters/41/cancel", body: `{"version":3}`, done: "cancel local  "},
		{name: "snooze", method: "POST", url: "/letters/41/snooze", body: `{"version":3,"until":"2026-11-22T00:00:00Z"}`, done: "snooze local  "},
		{name: "snooze without a time", method: "POST", url: "/letters/41/snooze", body: `{"version":3}`, status: 400},
		{name: "snooze into the past", method: "POST", url: "/letters/41/snooze", body: `{"version":3,"until":"2026-11-21T12:00:00Z"}`, status: 400},
		{name: "snooze for ever", method: "POST", url: "/letters/41/snooze", body: `{"version":3,"until":"2036-11-21T12:00:00Z"}`, status: 400},
		{name: "note", method: "POST", url: "/letters/41/notes", body: `{"version":3,"note":"问过仓库"}`, done: "note local 问过仓库 "},
		{name: "too long a note", method: "POST", url: "/letters/41/notes", body: `{"version":3,"note":"` + long + `"}`, status: 413},
		{name: "route", method: "POST", url: "/letters/41/route", body: `{"version":3,"route":"retry"}`, done: "reroute local  retry"},
		{name: "route by the rules", method: "POST", url: "/letters/41/route", body: `{"version":3}`, done: "reroute local  "},
		{name: "no such route", method: "POST", url: "/letters/41/route", body: `{"version":3,"route":"retyr"}`, status: 400, must: []string{`did you mean \"retry\"?`}},
		{name: "an act on nothing", method: "POST", url: "/letters/99/take", body: `{"version":3}`, status: 404},

		{name: "a misspelt field", method: "POST", url: "/letters/41/notes", body: `{"version":3,"notee":"x"}`, status: 400, must: []string{`"notee\" is not known`, `did you mean \"note\"?`}},
		{name: "a field in capitals", method: "POST", url: "/letters/41/notes", body: `{"version":3,"Note":"x"}`, status: 400, must: []string{`did you mean \"note\"?`}},
		{name: "a field twice", method: "POST", url: "/letters/41/notes", body: `{"version":3,"note":"x","note":"y"}`, status: 400, must: []string{"stands twice"}},
		{name: "a field of the wrong kind", method: "POST", url: "/letters/41/notes", body: `{"version":"3","note":"x"}`, status: 400, must: []string{`"version\" is not a whole number`}},
		{name: "a list for a body", method: "POST", url: "/letters/41/notes", body: `[1]`, status: 400, must: []string{"the body is not an object"}},
		{name: "null for a body", method: "POST", url: "/letters/41/notes", body: `null`, status: 400},
		{name: "half a body", method: "POST", url: "/letters/41/notes", body: `{"version":3`, status: 400},
		{name: "two bodies", method: "POST", url: "/letters/41/notes", body: `{"version":3,"note":"x"}{}`, status: 400, must: []string{"follows the end"}},
		{name: "too long a body", method: "POST", url: "/letters/41/notes", body: `{"note":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, must: []string{`"code":"too_large"`}},

		{name: "discard some", method: "POST", url: "/letters/actions", body: `{"action":"discard","ids":["41","99","42"],"note":"old"}`,
			must: []string{`{"id":"41","ok":true,"letter":{`, `{"id":"99","ok":false,"error":{`, "there is no letter 99", `{"id":"42","ok":true`}, done: "discard local old ; discard local old "},
		{name: "re-route some", method: "POST", url: "/letters/actions", body: `{"action":"route","ids":["41","42"],"route":"retry"}`, done: "reroute local  retry; reroute local  retry"},
		{name: "re-route some by the rules", method: "POST", url: "/letters/actions", body: `{"action":"route","ids":["41"]}`, done: "reroute local  "},
		{name: "re-route some to nowhere", method: "POST", url: "/letters/actions", body: `{"action":"route","ids":["41"],"route":"away"}`, status: 400},
		{name: "a route that is not asked for", method: "POST", url: "/letters/actions", body: `{"action":"take","ids":["41"],"route":"retry"}`, status: 400, must: []string{"belongs to the action route"}},
		{name: "discard some without a note", method: "POST", url: "/letters/actions", body: `{"action":"discard","ids":["41"]}`, status: 400},
		{name: "replay one of a selection", method: "POST", url: "/letters/actions", body: `{"action":"replay","ids":["41"],"delay":"10s","door":"B","note":"n"}`, must: []string{`"replay":{"id":"0123`, `"version":4`, `"delay":"10s"`}, done: "replay local n "},
		{name: "replay while stopped", with: func(s *stub) { s.switched.Stopped = true }, method: "POST", url: "/letters/actions", body: `{"action":"replay","ids":["41"]}`, status: 422, must: []string{"global stop"}},
		{name: "take while stopped", with: func(s *stub) { s.switched.Stopped = true }, method: "POST", url: "/letters/actions", body: `{"action":"take","ids":["41"]}`, done: "take local  "},
		{name: "a replay of a selection that goes wrong", with: func(s *stub) {
			s.replay = func(dlq.ReplayRequest) error { return errors.New("secret") }
		}, method: "POST", url: "/letters/actions", body: `{"action":"replay","ids":["41"]}`, must: []string{`"ok":false`, "Internal error"}, mustNot: []string{"secret"}},
		{name: "nothing selected", method: "POST", url: "/letters/actions", body: `{"action":"take","ids":[]}`, status: 400},
		{name: "no such action", method: "POST", url: "/letters/actions", body: `{"action":"tkae","ids":["41"]}`, status: 400, must: []string{`did you mean \"take\"?`}},
		{name: "no action", method: "POST", url: "/letters/actions", body: `{"ids":["41"]}`, status: 400},
		{name: "an id twice", method: "POST", url: "/letters/actions", body: `{"action":"take","ids":["41","41"]}`, status: 400},
		{name: "ids as numbers", method: "POST", url: "/letters/actions", body: `{"action":"take","ids":[41]}`, status: 400, must: []string{`"ids[0]\" is not text`}},
		{name: "a delay for taking", method: "POST", url: "/letters/actions", body: `{"action":"take","ids":["41"],"delay":"1s"}`, status: 400},
		{name: "too many", method: "POST", url: "/letters/actions", body: `{"action":"take","ids":[` + strings.TrimSuffix(strings.Repeat(`"1",`, 501), ",") + `]}`, status: 400, must: []string{"takes 500"}},

		{name: "automation", url: "/automation", must: []string{`"on":false`}},
		{name: "switch automation on", method: "PUT", url: "/automation", body: `{"on":true,"stopped":false,"note":"go","version":0}`, must: []string{`"on":true`, `"version":1`, `"actor":"local"`}},
		{name: "switch what another switched", with: func(s *stub) { s.switched.Version = 5 }, method: "PUT", url: "/automation", body: `{"on":true,"stopped":false,"version":4}`, status: 409},
		{name: "half a switch", method: "PUT", url: "/automation", body: `{"on":true,"version":0}`, status: 400},
		{name: "topics", url: "/topics", must: []string{`"topic":"%DLQ%pay-service"`, `"perm":2`}},
		{name: "repair", method: "POST", url: "/topics/%25DLQ%25pay-service/repair", must: []string{`"items":[{`}, done: "repair %DLQ%pay-service"},
		{name: "repair with another escape", method: "POST", url: "/topics/%25DLQ%25pay%2Dservice/repair", must: []string{`"items":[{`}, done: "repair %DLQ%pay-service"},
		{name: "repair what is not there", method: "POST", url: "/topics/%25DLQ%25nobody/repair", status: 404},
		{name: "repair what is no dead-letter topic", method: "POST", url: "/topics/orders/repair", status: 400},
		{name: "gaps", url: "/gaps?limit=5", must: []string{`"kind":"expired"`, `"count":"4"`}},
		{name: "too many gaps", url: "/gaps?limit=1001", status: 400},
		{name: "consumer groups", url: "/consumer-groups", must: []string{`"name":"pay-service","letters_open":7,"letters_in_flight":1,"unread":4,"readable":false`}, mustNot: []string{`"info"`}},
		{name: "consumer groups while the cluster is away", with: func(s *stub) {
			s.topics = func() ([]dlq.TopicInfo, error) {
				return nil, dlq.Errorf(dlq.CodeUnavailable, "no broker answers: %w", errors.New("secret"))
			}
		}, url: "/consumer-groups", must: []string{`"name":"pay-service","letters_open":7`, `"last_error":"no broker answers"`, `"topics":[]`}, mustNot: []string{"secret"}},
		{name: "topics while the cluster is away", with: func(s *stub) {
			s.topics = func() ([]dlq.TopicInfo, error) { return nil, dlq.Errorf(dlq.CodeUnavailable, "no broker answers") }
		}, url: "/topics", status: 503},
		{name: "one consumer group", url: "/consumer-groups?name=pay-service", must: []string{`"info":{"name":"pay-service"`}},
		{name: "a consumer group nobody can ask about", with: func(s *stub) {
			s.group = func(string) (dlq.GroupInfo, error) {
				return dlq.GroupInfo{}, dlq.Errorf(dlq.CodeUnavailable, "the broker does not answer: %w", errors.New("secret"))
			}
		}, url: "/consumer-groups?name=pay-service", must: []string{`"info_error":"the broker does not answer"`}, mustNot: []string{"secret"}},
		{name: "rules", url: "/rules", must: []string{`"refused":null`, `"path":"rules.yaml"`, `"diagnostics":[]`, `"rules":[{"name":"timeouts wait","line":3,"end_line":5,"route":"manual","off":false},`, `"alerts":[]`, `"etag":"00ff"`, `"writable":{"ok":true}`, `"hits":[{"rule":"everything else"`}},
		{name: "refused rules", with: func(s *stub) {
			s.current = func() rulebook.Snapshot {
				return rulebook.Snapshot{Path: "rules.yaml", Refused: &rulebook.Refusal{At: noon, Text: "rules: <b>",
					Diagnostics: []dlq.Diagnostic{{Severity: dlq.DiagnosticError, Code: "not-yaml", Line: 1, Column: 1}}}}
			}
		}, url: "/rules", must: []string{`"refused":{"at":"2026-11-21T12:00:00Z","text":"rules: \u003cb\u003e"`, "not-yaml"}},
		{name: "one report", method: "POST", url: "/reports", body: `{"consumer_group":"pay-service","message_id":"M1","unique_key":"U1","key":"K1","reason":"network_timeout","reason_text":"3 s"}`, must: []string{`{"results":[{"matched":["41"]}]}`}, done: "report local pay-service M1 U1 K1 network_timeout 3 s"},
		{name: "some reports", method: "POST", url: "/reports", body: `{"reports":[{"consumer_group":"g","key":"k","reason":"r"},{"consumer_group":"g","unique_key":"u","reason":"r"}]}`, must: []string{`{"results":[{"matched":[]},{"matched":[]}]}`}, done: "report local g   k r ; report local g  u  r "},
		{name: "a misspelt field of a report", method: "POST", url: "/reports", body: `{"reports":[{"consumer_group":"g","key":"k","raeson":"r"}]}`, status: 400, must: []string{`"reports[0].raeson\" is not known`, `did you mean \"reason\"?`}},
		{name: "a report and reports", method: "POST", url: "/reports", body: `{"reason":"r","reports":[]}`, status: 400},

		{name: "a session with a parameter", url: "/session?x=1", status: 400},
		{name: "no such call", url: "/lettres", status: 404, must: []string{`"code":"not_found"`}},
		{name: "no such method", method: "DELETE", url: "/letters", status: 405, must: []string{`"code":"invalid"`}},
		{name: "the page is not under api", url: "/letters/41/nothing", status: 404, mustNot: []string{"<title>"}},
	} {
		t.Run(sc.name, sc.run)
	}
}

// run makes the call and looks at its answer.
func (sc scenario) run(t *testing.T) {
	a := newAPI(t, nil)
	if sc.with != nil {
		sc.with(a.stub)
	}
	method := sc.method
	if method == "" {
		method = http.MethodGet
	}
	w := a.call(method, apiBase+sc.url, sc.body, "Accept: application/json, text/html")
	status := sc.status
	if status == 0 {
		status = 200
	}
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, cut(w.Body.String(), 500))
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("the answer is not JSON: %s", w.Body)
	}
	if got := w.Header().Get("Content-Type"); (status >= 400) != (got == "application/problem+json") {
		t.Errorf("content type %q", got)
	}
	for _, s := range sc.must {
		if !strings.Contains(w.Body.String(), s) {
			t.Errorf("the answer lacks %s:\n%s", s, w.Body)
		}
	}
	for _, s := range sc.mustNot {
		if strings.Contains(w.Body.String(), s) {
			t.Errorf("the answer holds %s:\n%s", s, w.Body)
		}
	}
	if got := a.stub.done(); got != sc.done {
		t.Errorf("done was %q, want %q", got, sc.done)
	}
	if status == 500 && !strings.Contains(a.log.String(), "secret") {
		t.Errorf("the cause is not in the log: %s", a.log)
	}
}

// The global stop halts what is left of a selection that is on its way.
func TestTheStopHaltsASelection(t *testing.T) {
	a := newAPI(t, nil)
	var ids []string
	for id := range int64(100) {
		a.stub.letters[100+id] = letter(100 + id)
		ids = append(ids, fmt.Sprintf(`"%d"`, 100+id))
	}
	a.stub.replay = func(dlq.ReplayRequest) error {
		a.stub.mu.Lock()
		defer a.stub.mu.Unlock()
		a.stub.switched.Stopped = true
		return nil
	}
	w := a.call("POST", apiBase+"/letters/actions", `{"action":"replay","ids":[`+strings.Join(ids, ",")+`]}`)
	var out results[ActionResult]
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for i, r := range out.Results {
		if r.ID != 100+int64(i) {
			t.Errorf("result %d is of letter %d", i, r.ID)
		}
		if r.OK {
			sent++
		} else if r.Error.Code != dlq.CodeRefused {
			t.Errorf("letter %d: %+v", r.ID, r.Error)
		}
	}
	if len(out.Results) != 100 || sent == 0 || sent > replaysAtOnce {
		t.Errorf("%d of %d were sent", sent, len(out.Results))
	}
}

func TestFiltersReachTheStore(t *testing.T) {
	a := newAPI(t, nil)
	a.call("GET", apiBase+"/letters?tab=in_flight&state=sending&state=awaiting&consumer_group=a%26b&died_after=2026-11-20T01:00:00%2B01:00&q=%E8%AE%A2%E5%8D%95", "")
	if len(a.stub.filters) != 1 {
		t.Fatalf("asked %d times", len(a.stub.filters))
	}
	every := a.call("GET", apiBase+"/letters?tab=in_flight&state=sending&consumer_group=a&topic=t&reason=r&origin=body&rule=x&route=retry&severity=high&flag=edited&owner=o&fingerprint=00112233aabbccdd&outcome=waiting&died_after=2026-11-20T00:00:00Z&died_before=2026-11-21T00:00:00Z&q=PAY", "")
	if every.Code != 200 {
		t.Fatal(every.Body)
	}
	after, before := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	want := dlq.Filter{Tab: dlq.TabInFlight, States: []dlq.State{dlq.StateSending}, ConsumerGroups: []string{"a"}, Topics: []string{"t"}, Reasons: []string{"r"},
		Origins: []dlq.ReasonOrigin{dlq.OriginBody}, Rules: []string{"x"}, Routes: []dlq.Route{dlq.RouteRetry}, Severities: []dlq.Severity{dlq.SeverityHigh},
		Flags: []dlq.Flag{dlq.FlagEdited}, Owners: []string{"o"}, Fingerprints: []string{"00112233aabbccdd"}, Outcomes: []dlq.Outcome{dlq.OutcomeWaiting},
		DiedAfter: &after, DiedBefore: &before, Query: "PAY"}
	if diff := cmp.Diff(want, a.stub.filters[1]); diff != "" {
		t.Errorf("every filter: %s", diff)
	}
	f := a.stub.filters[0]
	if f.Tab != dlq.TabInFlight || len(f.States) != 2 || f.States[1] != dlq.StateAwaiting || f.ConsumerGroups[0] != "a&b" || f.Query != "订单" ||
		!f.DiedAfter.Equal(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)) || f.DiedBefore != nil {
		t.Errorf("%+v", f)
	}
}

// Whatever a message carries stays data: it is never HTML, never a header, never in the log.
func TestHostileValues(t *testing.T) {
	hostile := "</script><img src=x onerror=alert(1)>\r\nSet-Cookie: a=b\u202e\x00'\"<!--" + string([]byte{0xff, 0xfe})
	a := newAPI(t, nil)
	l := letter(41)
	l.Keys, l.Reason, l.ReasonText, l.ConsumerGroup, l.Tags = []string{hostile}, hostile, hostile, hostile, hostile
	a.stub.letters[41] = l
	a.stub.detail = func(d *dlq.Detail) { d.Properties = map[string]string{hostile: hostile} }
	a.stub.body = func(int64) ([]byte, dlq.BodyState, error) { return []byte(hostile), dlq.BodyPlain, nil }

	for _, url := range []string{"/letters/41", "/letters"} {
		w := a.call("GET", apiBase+url, "")
		if w.Code != 200 || strings.ContainsAny(w.Body.String(), "<>\x00") || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %q", url, w.Code, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", url, w.Header())
		}
	}
	w := a.call("GET", apiBase+"/letters/41/body", "", "Accept: text/html")
	if w.Body.String() != hostile {
		t.Errorf("the body is not exact: %q", w.Body)
	}
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="letter-41.bin"`,
		"X-Content-Type-Options": "nosniff", "DLQ-Body-State": "plain", "Set-Cookie": "", "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") {
		t.Errorf("policy of a body: %q", csp)
	}
	// A wrong field name comes back as text, and what was sent as a value does not come back at all.
	w = a.call("POST", apiBase+"/letters/41/notes", `{"version":3,"<script>":1}`)
	if w.Code != 400 || strings.Contains(w.Body.String(), "<") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = a.call("POST", apiBase+"/session", `{"token":["dlq_verysecret"]}`)
	if w.Code != 400 || strings.Contains(w.Body.String(), "verysecret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	a.call("GET", apiBase+"/letters?q=verysecret", "")
	for _, s := range []string{"onerror", "verysecret", "Set-Cookie"} {
		if strings.Contains(a.log.String(), s) {
			t.Errorf("the log holds %s: %s", s, a.log)
		}
	}
}

func TestBodiesNeedTheirType(t *testing.T) {
	a := newAPI(t, nil)
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""} {
		if w := a.call("POST", apiBase+"/letters/41/take", `{"version":3}`, "Content-Type: "+kind); w.Code != 400 {
			t.Errorf("%q: %d", kind, w.Code)
		}
	}
	if w := a.call("POST", apiBase+"/letters/41/take", `{"version":3}`, "Content-Type: application/json; charset=utf-8"); w.Code != 200 {
		t.Errorf("with a charset: %d %s", w.Code, w.Body)
	}
}

func TestHealth(t *testing.T) {
	a := newAPI(t, nil)
	a.stub.status = func() dlq.ClusterStatus { return dlq.ClusterStatus{} } // the broker is away
	a.stub.topics = func() ([]dlq.TopicInfo, error) { return nil, errors.New("away") }
	for url, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/readyz?verbose=1": "[+] store: can be written\nok\n"} {
		if w := a.call("GET", url, "", "Host: anything.example"); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q", url, w.Code, w.Body)
		}
	}
	a.stub.ready = func() error { return dlq.Errorf(dlq.CodeUnavailable, "the disk is full: %w", errors.New("secret")) }
	if w := a.call("GET", "/readyz?verbose=1", ""); w.Code != 503 || w.Body.String() != "[-] store: the disk is full\nnot ready\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := a.call("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("healthz depends on the store: %d", w.Code)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	a := newAPI(t, nil)
	if w := a.call("GET", apiBase+"/openapi.yaml", ""); w.Code != 200 || w.Body.String() != string(a.deps.OpenAPI) {
		t.Errorf("%d", w.Code)
	}
	without := newAPI(t, func(d *Deps) { d.OpenAPI = nil })
	if w := without.call("GET", apiBase+"/openapi.yaml", ""); w.Code != 404 {
		t.Errorf("without a document: %d", w.Code)
	}
}

// A copied data file stands in the status until an admin says that it is the only one in use; a backup is for admins alone.
func TestDataFile(t *testing.T) {
	a := newAPI(t, func(d *Deps) { d.Store.(*stub).copied = true })
	if w := a.call("GET", apiBase+"/status", ""); !strings.Contains(w.Body.String(), `"file":{"state":"copy","path":"/data/dlq.db","from":{"host":"a"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := a.call("POST", apiBase+"/file/adopt", "{}"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"state":"ok"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := a.call("GET", apiBase+"/file/backup", ""); w.Code != 200 || w.Body.String() != "SQLite format 3" || w.Header().Get("DLQ-Letters") != "2" || w.Header().Get("Cache-Control") == "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// A list of all tabs may be asked for by name.
func TestAllTabs(t *testing.T) {
	a := newAPI(t, nil)
	for _, url := range []string{"/letters?tab=all&q=x", "/facets?tab=all&q=x"} {
		if w := a.call("GET", apiBase+url, ""); w.Code != 200 {
			t.Errorf("%s: %d %s", url, w.Code, w.Body)
		}
	}
	for _, f := range a.stub.filters {
		if f.Tab != "" || f.Query != "x" {
			t.Errorf("filter %+v", f)
		}
	}
	if len(a.stub.filters) != 1 {
		t.Errorf("%d filters", len(a.stub.filters))
	}
}
