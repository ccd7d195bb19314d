package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

// asJSON writes a request's body.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type object map[string]any

func TestRulesOverTheAPI(t *testing.T) {
	for _, sc := range []struct {
		name, method, url, body string
		headers                 []string
		with                    func(*stub)
		status                  int
		must                    []string
		done                    string
	}{
		{name: "save", method: "PUT", url: "/rules", body: asJSON(t, object{"text": oneRule, "note": " why "}), headers: []string{`If-Match: "00ff"`}, must: []string{`"etag":"00ff"`}, done: fmt.Sprintf("save local 00ff why %d", len(oneRule))},
		{name: "save under a weak tag", method: "PUT", url: "/rules", body: asJSON(t, object{"text": oneRule, "note": "w"}), headers: []string{`If-Match: W/"00ff"`}, done: fmt.Sprintf("save local 00ff w %d", len(oneRule))},
		{name: "roll back", method: "PUT", url: "/rules", body: `{"version":3,"note":"back"}`, headers: []string{"If-Match: 00ff"}, done: fmt.Sprintf("save local 00ff back %d", len(oneRule))},
		{name: "save without a reason", method: "PUT", url: "/rules", body: asJSON(t, object{"text": oneRule}), headers: []string{"If-Match: 00ff"}, status: 400, must: []string{"write why"}},
		{name: "save without a tag", method: "PUT", url: "/rules", body: asJSON(t, object{"text": oneRule, "note": "w"}), status: 400, must: []string{"If-Match"}},
		{name: "save text and version", method: "PUT", url: "/rules", body: asJSON(t, object{"text": oneRule, "version": 1, "note": "w"}), headers: []string{"If-Match: 00ff"}, status: 400},
		{name: "save nothing", method: "PUT", url: "/rules", body: `{"note":"w"}`, headers: []string{"If-Match: 00ff"}, status: 400},
		{name: "save version 0", method: "PUT", url: "/rules", body: `{"version":0,"note":"w"}`, headers: []string{"If-Match: 00ff"}, status: 400},
		{name: "somebody was faster", method: "PUT", url: "/rules", body: asJSON(t, object{"text": oneRule, "note": "w"}), headers: []string{"If-Match: 00aa"}, with: func(s *stub) {
			s.save = func(rulebook.Edit) (rulebook.Snapshot, error) {
				return rulebook.Snapshot{}, dlq.Errorf(dlq.CodeConflict, "changed")
			}
		}, status: 409, must: []string{`"rules":{"text":"version: 1`, `"etag":"00ff"`, `"version":{"version":1,"sha256":"","author":"","at"`}},
		{name: "a text with mistakes", method: "PUT", url: "/rules", body: asJSON(t, object{"text": "x", "note": "w"}), headers: []string{"If-Match: 00ff"}, with: func(s *stub) {
			s.save = func(rulebook.Edit) (rulebook.Snapshot, error) {
				return rulebook.Snapshot{}, &rulebook.InvalidError{Diagnostics: []dlq.Diagnostic{{Severity: dlq.DiagnosticError, Code: "is-bad", Line: 1, Column: 1, EndLine: 1, EndColumn: 2}}}
			}
		}, status: 400, must: []string{`"diagnostics":[{"severity":"error","code":"is-bad"`, `"code":"invalid"`}},
		{name: "a file that cannot be written", method: "PUT", url: "/rules", body: asJSON(t, object{"text": "x", "note": "w"}), headers: []string{"If-Match: 00ff"}, with: func(s *stub) {
			s.save = func(rulebook.Edit) (rulebook.Snapshot, error) {
				err := dlq.Errorf(dlq.CodeRefused, "read-only").WithHint("copy it")
				err.Params = map[string]string{"why": rulebook.WhyReadOnlySystem}
				return rulebook.Snapshot{}, err
			}
		}, status: 422, must: []string{`"why":"read_only_file_system"`}},
		{name: "not UTF-8", method: "POST", url: "/rules/check", body: "{\"text\":\"\xb9\xe6\"}", status: 400, must: []string{"not UTF-8"}},

		{name: "check", method: "POST", url: "/rules/check", body: asJSON(t, object{"text": "version: 1\nrules: [{name: a, off: true, route: x}]\nalerts: [{name: b, signal: disk}]\nreceivers: {r: {}}\ncompensations: {c: {}}\n"}),
			must: []string{`"diagnostics":[{"severity":"error","code":"unknown-value","line":2`, `"rules":[{"name":"a","line":2,"end_line":2,"route":"x","off":true}]`, `"alerts":[{"name":"b","line":3,"end_line":3,"signal":"disk","off":false}]`, `"compensations":["c"]`, `"receivers":["r"]`, `"etag":"00ff"`}},
		{name: "check an empty text", method: "POST", url: "/rules/check", body: `{"text":""}`, must: []string{`"code":"empty-file"`, `"rules":[]`}},
		{name: "check no text", method: "POST", url: "/rules/check", body: `{}`, status: 400},

		{name: "switch", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "switch": object{"section": "rules", "name": "timeouts wait", "off": true}}), must: []string{`timeouts wait\n    off: true\n`, `"line":3,"end_line":6,"diagnostics":[]`}},
		{name: "switch what is not there", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "switch": object{"section": "rules", "name": "no", "off": true}}), status: 404},
		{name: "switch another section", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "switch": object{"section": "facts", "name": "no", "off": true}}), status: 400},
		{name: "switch neither way", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "switch": object{"section": "rules", "name": "no"}}), status: 400},
		{name: "no edit", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule}), status: 400},
		{name: "a rule for a letter", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "letter_id": "41", "route": "retry"}),
			must: []string{`rules:\n  - name: network_timeout of pay-service\n    match: {reason: network_timeout, consumer_group: pay-service}\n    route: retry\n    retry: {delay: 5m, backoff: 2, max: 3, max_delay: 2h}\n  - name: timeouts wait`, `"line":3,"end_line":6`, `"diagnostics":[]`}},
		{name: "a rule that asks nobody", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "letter_id": "41", "route": "compensate"}), status: 422},
		{name: "a rule for no letter", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "letter_id": "99"}), status: 404},
		{name: "a rule for rubbish", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "letter_id": "x"}), status: 400},
		{name: "a rule in a broken text", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": "rules: [", "letter_id": "41"}), status: 400, must: []string{`"diagnostics":[{`}},
		{name: "a rule with no such route", method: "POST", url: "/rules/edit", body: asJSON(t, object{"text": oneRule, "letter_id": "41", "route": "retyr"}), status: 400, must: []string{`did you mean \"retry\"`}},

		{name: "versions", url: "/rules/versions?limit=3", must: []string{`"items":[{"version":7,`, `"next":"5"`}},
		{name: "more versions", url: "/rules/versions?limit=200&cursor=5", must: []string{`"items":[{"version":4,`, `{"version":1,`}},
		{name: "a made-up cursor", url: "/rules/versions?cursor=x", status: 400},
		{name: "a version", url: "/rules/versions/3", with: func(s *stub) {
			s.version = func(v int64) (dlq.RuleVersion, error) {
				return dlq.RuleVersion{Version: v, At: noon, Text: fmt.Sprintf("version: 1\nsecret: hunter2\na: %d\n", v)}, nil
			}
		}, must: []string{`secret: ••••••\na: 3`, `"against":2`, `--- version 2\n+++ version 3\n`, `-a: 2\n+a: 3\n`}},
		{name: "the first version", url: "/rules/versions/1", must: []string{`"against":0`, `+version: 1\n`}},
		{name: "a version against another", url: "/rules/versions/1?against=4", must: []string{`"against":4,"diff":""`}},
		{name: "no such version", url: "/rules/versions/9", with: func(s *stub) {
			s.version = func(int64) (dlq.RuleVersion, error) { return dlq.RuleVersion{}, dlq.Errorf(dlq.CodeNotFound, "none") }
		}, status: 404},
		{name: "no number", url: "/rules/versions/x", status: 400, must: []string{"number of a version"}},

		{name: "completions", url: "/rules/completions", with: func(s *stub) { s.backlog = backlogOf(3) },
			must: []string{`"consumer_groups":["pay-service"]`, `"reasons":["network_timeout"]`, `"topics":["orders"]`, `"properties":["FAILURE_REASON"]`, `"body_paths":["a.\"b.c\"","list.0.x","n"]`, `"tags":[]`}},
		{name: "the schema", url: "/rules/schema", must: []string{"{}"}},

		{name: "a backtest of a broken text", method: "POST", url: "/rules/backtest", body: `{"text":"rules: ["}`, status: 400, must: []string{`"diagnostics":[{`}},
		{name: "a backtest of too many", method: "POST", url: "/rules/backtest", body: asJSON(t, object{"text": oneRule, "limit": 10001}), status: 400},
		{name: "a backtest before", method: "POST", url: "/rules/backtest", body: asJSON(t, object{"text": oneRule, "before": "5.1"}), status: 400},
		{name: "a cell before rubbish", method: "POST", url: "/rules/backtest", body: asJSON(t, object{"text": oneRule, "before": "5", "cell": object{}}), status: 400},
		{name: "a cell of no route", method: "POST", url: "/rules/backtest", body: asJSON(t, object{"text": oneRule, "cell": object{"then": "x"}}), status: 400},
		{name: "a cell of an empty store", method: "POST", url: "/rules/backtest", body: asJSON(t, object{"text": oneRule, "cell": object{}}), must: []string{`{"items":[]}`}},
	} {
		t.Run(sc.name, func(t *testing.T) {
			a := newAPI(t, nil)
			if sc.with != nil {
				sc.with(a.stub)
			}
			method := sc.method
			if method == "" {
				method = "GET"
			}
			w := a.call(method, apiBase+sc.url, sc.body, sc.headers...)
			status := sc.status
			if status == 0 {
				status = 200
			}
			if w.Code != status {
				t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
			}
			for _, s := range sc.must {
				if !strings.Contains(w.Body.String(), s) {
					t.Errorf("the answer lacks %s:\n%s", s, w.Body)
				}
			}
			if a.stub.done() != sc.done {
				t.Errorf("done: %q, want %q", a.stub.done(), sc.done)
			}
			if strings.Contains(w.Body.String(), "hunter") {
				t.Errorf("a secret: %s", w.Body)
			}
		})
	}
	if w := newAPI(t, nil).call("GET", apiBase+"/rules", ""); w.Header().Get("ETag") != `"00ff"` {
		t.Errorf("ETag %q", w.Header().Get("ETag"))
	}
}

// A text of 10 MB is refused with an answer, and never kept.
func TestHugeTextsAreRefused(t *testing.T) {
	a := newAPI(t, nil)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	text := asJSON(t, object{"text": strings.Repeat("#", 10<<20), "note": "w"})
	for _, length := range []int64{int64(len(text)), -1} { // in chunks it does not say how long it is
		r, err := http.NewRequestWithContext(t.Context(), "PUT", server.URL+apiBase+"/rules", io.NopCloser(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("If-Match", "00ff")
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		problem, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != 413 || !strings.Contains(string(problem), "4194304 bytes") {
			t.Errorf("%d bytes: %d %s %v", length, answer.StatusCode, problem, err)
		}
	}
	large := strings.Repeat("# \"\\\n", 1<<20/5) // a text as large as may be, which JSON makes larger
	if w := a.call("POST", apiBase+"/rules/check", asJSON(t, object{"text": large})); w.Code != 200 {
		t.Errorf("1 MiB: %d %s", w.Code, w.Body)
	}
}

// backlogOf is a backlog of n letters, the newest with the highest number; every third has another reason.
func backlogOf(n int) func(context.Context, int64, int) ([]dlq.Candidate, int64, error) {
	return func(_ context.Context, before int64, limit int) (list []dlq.Candidate, next int64, err error) {
		seq := int64(n)
		if before > 0 {
			seq = before - 1
		}
		for ; seq > 0 && len(list) < limit; seq-- {
			m := dlq.DeadMessage{ConsumerGroup: "pay-service", OriginalTopic: "orders", Properties: map[string]string{"FAILURE_REASON": "network_timeout"}, Body: []byte(`{"n":1,"a":{"b.c":true},"list":[{"x":1},{"y":2}],"none":null}`)}
			if n > 3 && seq%3 == 0 {
				m.Properties["FAILURE_REASON"] = "other"
			}
			list = append(list, dlq.Candidate{LetterID: 41 + seq%2, Seq: seq, Message: m, Judged: dlq.Judgement{Now: noon, Deaths: 1}})
		}
		if seq > 0 {
			next = seq + 1
		}
		return list, next, nil
	}
}

// withRules puts rules in force in the stub.
func withRules(t *testing.T, s *stub, text string) {
	t.Helper()
	rules, found := classifier.CompileText([]byte(text))
	if rules == nil {
		t.Fatal(found)
	}
	s.live = func() (*classifier.Ruleset, int64) { return rules, 7 }
}

func lines(t *testing.T, w *httptest.ResponseRecorder) (out []Backtest) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %s %s", w.Code, w.Header(), w.Body)
	}
	schema := loadDocument(t).Components.Schemas["Backtest"].Value
	for line := range strings.Lines(w.Body.String()) {
		if err := schema.VisitJSON(decode[any](t, []byte(line))); err != nil {
			t.Errorf("a line is not as described: %v", err)
		}
		out = append(out, decode[Backtest](t, []byte(line)))
	}
	return out
}

func TestBacktest(t *testing.T) {
	a := newAPI(t, nil)
	withRules(t, a.stub, "version: 1\nrules:\n  - {name: timeouts, match: {reason: network_timeout}, route: retry}\n  - {name: gone, match: {reason: x}, route: manual}\n")
	a.stub.backlog = backlogOf(2500)
	text := "version: 1\nrules:\n  - {name: timeouts, off: true, match: {reason: network_timeout}, route: retry}\n  - {name: new, match: {reason: other}, route: retry}\n"
	got := lines(t, a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": text})))
	if len(got) != 5 || got[0].Done != 0 || got[0].Finished || got[1].Done != 1000 || got[3].Done != 2500 || got[3].Finished {
		t.Fatalf("%d lines: %+v", len(got), got)
	}
	others := 2500 / 3
	want := Backtest{Version: 7, Done: 2500, Total: 2500, Changed: 2500, Finished: true,
		Matrix: []BacktestCount{{dlq.RouteRetry, dlq.RouteManual, 2500 - others}, {dlq.RouteManual, dlq.RouteRetry, others}},
		Rules:  []BacktestRule{{"timeouts", 2500 - others, 0}, {"new", 0, others}, {"gone", 0, 0}, {"", others, 2500 - others}}}
	if diff := cmp.Diff(want, got[4]); diff != "" {
		t.Error(diff)
	}
	if got := lines(t, a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": text, "limit": 7}))); got[len(got)-1].Done != 7 || !got[len(got)-1].Finished {
		t.Errorf("seven letters: %+v", got)
	}

	// Every number leads to its letters, page by page.
	for _, cell := range []struct {
		of   object
		want int
	}{{object{"now": "manual", "then": "retry"}, others}, {object{"changed": true}, 2500}, {object{"rule_then": ""}, 2500 - others}, {object{"rule_now": "gone"}, 0}, {object{}, 2500}} {
		found, before := 0, ""
		for pages := 0; ; pages++ {
			req := object{"text": text, "cell": cell.of}
			if before != "" {
				req["before"] = before
			}
			w := a.call("POST", apiBase+"/rules/backtest", asJSON(t, req))
			if w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			page := decode[BacktestLetters](t, w.Body.Bytes())
			found += len(page.Items)
			if before = page.Next; before == "" {
				break
			}
			if pages > 60 || len(page.Items) != 50 {
				t.Fatalf("page %d has %d letters", pages, len(page.Items))
			}
		}
		if found != cell.want {
			t.Errorf("%v: %d letters, want %d", cell.of, found, cell.want)
		}
	}
	w := a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": text, "limit": 60, "cell": object{}}))
	page := decode[BacktestLetters](t, w.Body.Bytes())
	w = a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": text, "limit": 60, "cell": object{}, "before": page.Next}))
	if rest := decode[BacktestLetters](t, w.Body.Bytes()); len(rest.Items) != 10 || rest.Next != "" || rest.Items[0].RuleNow != "timeouts" || rest.Items[0].Then != dlq.RouteManual {
		t.Errorf("the rest of 60: %+v", rest)
	}
}

// What ends a backtest early is its last line, and the log has the cause.
func TestBacktestThatFails(t *testing.T) {
	a := newAPI(t, nil)
	good := backlogOf(5000)
	a.stub.backlog = func(ctx context.Context, before int64, limit int) ([]dlq.Candidate, int64, error) {
		if before > 0 && before < 3500 {
			return nil, 0, errors.New("the disk is broken")
		}
		return good(ctx, before, limit)
	}
	got := lines(t, a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": oneRule})))
	if last := got[len(got)-1]; last.Finished || last.Problem == nil || last.Problem.Code != dlq.CodeInternal || last.Done != 2000 {
		t.Errorf("%+v", last)
	}
	if !strings.Contains(a.log.String(), "the disk is broken") {
		t.Error("the log does not say why")
	}
}

// A caller that goes away ends the work, and those who wait for a turn get it.
func TestBacktestsTakeTurns(t *testing.T) {
	a := newAPI(t, nil)
	entered := make(chan struct{}, 10)
	a.stub.backlog = func(ctx context.Context, _ int64, _ int) ([]dlq.Candidate, int64, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			r := httptest.NewRequest("POST", apiBase+"/rules/backtest", strings.NewReader(asJSON(t, object{"text": oneRule}))).WithContext(ctx)
			r.Host, r.RemoteAddr = "127.0.0.1:8642", "127.0.0.1:50000"
			r.Header.Set("Content-Type", "application/json")
			a.Handler().ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for range tryingAtOnce {
		<-entered
	}
	select {
	case <-entered:
		t.Error("more than two at once")
	case <-time.After(50 * time.Millisecond):
	}
	leave()
	all.Wait()
	a.stub.backlog = backlogOf(1)
	if got := lines(t, a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": oneRule}))); !got[len(got)-1].Finished {
		t.Errorf("%+v", got)
	}
}

// The whole way over a real file, store and classifier: two people, a mistake, a roll-back.
func TestRulesOfAHouse(t *testing.T) {
	a := newHouse(t)
	get := func() Rules { return decode[Rules](t, a.call("GET", apiBase+"/rules", "").Body.Bytes()) }
	before := get()
	if before.Text != oneRule || before.Version.Version != 1 || !before.Writable.OK {
		t.Fatalf("%+v", before)
	}
	mine := strings.Replace(oneRule, "route: manual", "route: retry", 1)
	after := putInForce(t, a, mine)
	if after.Version.Version != 2 || after.Version.Note != "other rules" || after.Version.Author != "local" || after.Text != mine || after.ETag == before.ETag {
		t.Errorf("%+v", after)
	}
	w := a.call("PUT", apiBase+"/rules", asJSON(t, object{"text": oneRule + "# theirs\n", "note": "late"}), `If-Match: "`+before.ETag+`"`)
	if late := decode[Problem](t, w.Body.Bytes()); w.Code != 409 || late.Rules == nil || late.Rules.Text != mine || late.Rules.ETag != after.ETag || late.Rules.Version.Note != "other rules" {
		t.Errorf("%d %+v", w.Code, late)
	}
	w = a.call("PUT", apiBase+"/rules", asJSON(t, object{"text": strings.Replace(mine, "retry", "retyr", 1), "note": "oops"}), `If-Match: "`+after.ETag+`"`)
	if wrong := decode[Problem](t, w.Body.Bytes()); w.Code != 400 || len(wrong.Diagnostics) == 0 || wrong.Diagnostics[0].Line != 5 || wrong.Diagnostics[0].Suggestion != "retry" {
		t.Errorf("%d %+v", w.Code, wrong)
	}
	got := lines(t, a.call("POST", apiBase+"/rules/backtest", asJSON(t, object{"text": oneRule})))
	if last := got[len(got)-1]; last.Done != 3 || last.Changed != 3 || last.Version != 2 || last.Matrix[0] != (BacktestCount{dlq.RouteRetry, dlq.RouteManual, 3}) {
		t.Errorf("%+v", last)
	}
	w = a.call("PUT", apiBase+"/rules", `{"version":1,"note":"back"}`, `If-Match: "`+after.ETag+`"`)
	if back := decode[Rules](t, w.Body.Bytes()); w.Code != 200 || back.Version.Version != 3 || back.Version.Reverts != 1 || back.Text != oneRule || back.ETag != before.ETag {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	list := decode[RuleVersions](t, a.call("GET", apiBase+"/rules/versions", "").Body.Bytes())
	if len(list.Items) != 3 || list.Items[0].Reverts != 1 || list.Items[1].Note != "other rules" || list.Items[0].Text != "" {
		t.Errorf("%+v", list)
	}
	one := decode[RuleVersionDetail](t, a.call("GET", apiBase+"/rules/versions/2", "").Body.Bytes())
	if one.Against != 1 || !strings.Contains(one.Diff, "-    route: manual\n+    route: retry\n") {
		t.Errorf("%+v", one)
	}
	seen := decode[RuleCompletions](t, a.call("GET", apiBase+"/rules/completions", "").Body.Bytes())
	if diff := cmp.Diff([]string{"network_timeout"}, seen.Reasons) + cmp.Diff([]string{"order", "text"}, seen.BodyPaths) + cmp.Diff([]string{"orders"}, seen.Topics); diff != "" {
		t.Error(diff)
	}
}
