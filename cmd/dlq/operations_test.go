package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// office is a console as the commands see it: one operation, and what it was asked.
type office struct {
	*httptest.Server
	mu    sync.Mutex
	op    dlq.Operation
	asked []string // method, path and body
	heads []http.Header

	refuse func(r *http.Request) *dlq.Error
	next   func(o *dlq.Operation) // changes the operation at each look
}

func newOffice(t *testing.T, letters int64) *office {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f := &office{op: dlq.Operation{Number: 7, Version: 1, Kind: dlq.OperationReplay, State: dlq.OperationDraft, Actor: "mia", Note: "it is\x1b[31m back", Query: "tab=attention",
		Letters: letters, Counts: map[dlq.ItemState]int64{dlq.ItemPending: letters}, CanaryLetters: 1, CreatedAt: at,
		Preview: &dlq.OperationPreview{Letters: letters, Eligible: letters - 2, Skipped: map[string]int64{"quarantined": 1, "state_awaiting": 1},
			Topics: []dlq.Facet{{Value: "orders", Count: letters}}, Reasons: []dlq.Facet{{Value: "network_timeout", Count: letters}}, OldestDied: &at, NewestDied: &at,
			Duplicates: 3, Examined: letters, DurationEstimate: dlq.Duration(90 * time.Second),
			Doors:     []dlq.DoorPreview{{ConsumerGroup: "pay", Door: dlq.DoorRetry, Why: "only_this_group", Receivers: []string{"pay"}, Complete: true, Letters: letters - 2}},
			Consumers: []dlq.ConsumerPreview{{Letters: letters, Group: dlq.GroupInfo{Name: "pay", Kind: dlq.GroupConcurrent, Online: true, Lag: 12}}},
			Causes:    []dlq.CausePreview{{Fingerprint: "00112233aabbccdd", Reason: "network_timeout", ReasonText: "read timed out", Letters: letters, SameLast5m: 4}}}}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *office) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is cut off is no JSON
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.heads = append(f.asked, strings.TrimSpace(fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", string(body)))), append(f.heads, r.Header.Clone())
	if f.refuse != nil {
		if err := f.refuse(r); err != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTeapot)
			_ = json.NewEncoder(w).Encode(map[string]any{"code": err.Code, "detail": err.Message, "hint": err.Hint, "request_id": "r1"})
			return
		}
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/operations")
	var sent struct {
		ID      string
		Query   string
		Spec    *dlq.OperationSpec
		Pace    *dlq.Pace
		Version int64
	}
	if len(body) > 0 && json.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, act, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case r.Method == http.MethodGet && path == "":
		_ = json.NewEncoder(w).Encode(dlq.OperationPage{Items: []dlq.Operation{f.op}, Next: "n"})
		return
	case act == "log":
		_ = json.NewEncoder(w).Encode(map[string]any{"items": []dlq.OperationEvent{{ID: 1, Kind: "canary_passed", Actor: "mia", Detail: map[string]string{"letters": "2"}}}})
		return
	case r.Method == http.MethodPost && path == "":
		if f.op.ID == "" {
			f.op.ID, f.op.Query, f.op.Spec = sent.ID, sent.Query, *sent.Spec
		}
	case r.Method == http.MethodPut:
		f.op.Spec = *sent.Spec
		f.op.Version++
	case act == "start":
		f.op.State = dlq.OperationRunning
	case act == "pause":
		f.op.State, f.op.Cause = dlq.OperationPaused, dlq.PauseByHand
	case act == "resume":
		f.op.State, f.op.Cause = dlq.OperationRunning, ""
	case act == "cancel":
		f.op.State, f.op.End = dlq.OperationSettled, dlq.EndCancelled
	case act == "pace":
		f.op.Spec.Pace = *sent.Pace
	case r.Method == http.MethodGet && f.next != nil:
		f.next(&f.op)
	}
	_ = json.NewEncoder(w).Encode(f.op)
}

// calls are what was asked, as method and path.
func (f *office) calls() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		words := strings.Fields(strings.ReplaceAll(a, f.op.ID, "ID"))
		out = append(out, words[0]+" "+strings.TrimPrefix(words[1], "/api/v1/operations"))
	}
	return out
}

func (f *office) do(t *testing.T, args ...string) result {
	t.Helper()
	return try(t, map[string]string{"DLQ_SERVER": f.URL, "DLQ_TOKEN": "dlq_secret"}, "", args...)
}

func TestReplayIsADryRunAtFirst(t *testing.T) {
	f := newOffice(t, 100)
	got := f.do(t, "replay", "--filter", "tab=attention&reason=network_timeout", "--rate", "20", "--ramp-up", "30s", "--brake", "10:25.5", "--window", "02:00-05:00",
		"--delay", "10s", "--spread", "10m", "--keep-order")
	for _, want := range []string{"100 letters match; 98 would be replayed, 2 skipped.", "quarantined      1", "pay             100      concurrent  online  12",
		"B     only_this_group  pay", "00112233aabbccdd", "3 may be duplicates", "Pace: 20 letters per second and consumer group, rising over 30s; it takes about 1m30s.",
		"Brake: it pauses when more than 25.5 % of the last 10", "Window: 02:00 to 05:00.", "Canary: 1 of them first", "Nothing was done."} {
		if !strings.Contains(got.out, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if got.status != 0 || t.Failed() {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"POST ", "POST /ID/cancel"}, f.calls()); diff != "" {
		t.Error(diff)
	}
	want := dlq.OperationSpec{Replay: &dlq.ReplaySpec{Delay: dlq.Duration(10 * time.Second), Spread: dlq.Duration(10 * time.Minute), KeepOrder: true},
		Pace: dlq.Pace{Rate: 20, RampUp: dlq.Duration(30 * time.Second)}, Canary: dlq.Canary{Letters: 1, Percent: 1}, Brake: dlq.Brake{Of: 10, Above: 25.5},
		Window: &dlq.ReplayWindow{From: "02:00", To: "05:00"}}
	if diff := cmp.Diff(want, f.op.Spec); diff != "" {
		t.Error(diff)
	}
	for _, h := range f.heads {
		if h.Get("Authorization") != "Bearer dlq_secret" {
			t.Errorf("headers %v", h)
		}
	}
	// The id of somebody's real operation is not the dry run's.
	f = newOffice(t, 100)
	f.do(t, "replay", "--filter", "tab=attention", "--id", "nightly")
	if f.op.ID == "nightly" || !strings.HasPrefix(f.op.ID, "cli-") {
		t.Errorf("id %q", f.op.ID)
	}
	// A program reads the preview whole.
	var o dlq.Operation
	if got := f.do(t, "replay", "--filter", "tab=attention", "--json"); got.status != 0 || json.Unmarshal([]byte(got.out), &o) != nil || o.Preview.Eligible != 98 {
		t.Errorf("%+v", got)
	}
}

func TestReplayStarts(t *testing.T) {
	f := newOffice(t, 100)
	got := f.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "it is back", "--id", "nightly")
	if got.status != 0 || !strings.Contains(got.out, "Operation 7 is started: "+f.URL+"/operations/7") || f.op.ID != "nightly" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"POST ", "POST /ID/start"}, f.calls()); diff != "" {
		t.Error(diff)
	}
	if want := `{"note":"it is back","version":1}`; !strings.HasSuffix(f.asked[1], want) {
		t.Errorf("%s, want %s", f.asked[1], want)
	}
	// Again with the same id: it goes on being one operation.
	again := f.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "it is back", "--id", "nightly")
	if again.status != 0 || !strings.Contains(again.errout, "not started a second time") || len(f.calls()) != 3 {
		t.Errorf("%+v %v", again, f.calls())
	}
	// A small one has no canary and no brake, unless they are asked for.
	small := newOffice(t, 20)
	if got := small.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n"); got.status != 0 || small.op.Spec.Canary != (dlq.Canary{}) || small.op.Spec.Brake.Of != 0 {
		t.Errorf("%+v %+v", got, small.op.Spec)
	}
	if diff := cmp.Diff([]string{"POST ", "PUT /ID", "POST /ID/start"}, small.calls()); diff != "" {
		t.Error(diff)
	}
	small = newOffice(t, 20)
	if got := small.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n", "--canary", "5"); got.status != 0 || small.op.Spec.Canary.Letters != 5 {
		t.Errorf("%+v %+v", got, small.op.Spec)
	}
	// The id of something else does not start that.
	other := newOffice(t, 100)
	other.op.ID, other.op.Query = "nightly", "tab=snoozed"
	if got := other.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n", "--id", "nightly"); got.status != 1 || !strings.Contains(got.errout, "does something else") || len(other.asked) != 1 {
		t.Errorf("%+v %v", got, other.asked)
	}
	// A draft of the same letters that was to act otherwise acts as it is asked to now.
	left := newOffice(t, 100)
	left.op.ID, left.op.Spec.Pace.Rate = "nightly", 1000
	if got := left.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n", "--id", "nightly", "--rate", "5"); got.status != 0 || left.op.Spec.Pace.Rate != 5 {
		t.Errorf("%+v %+v", got, left.op.Spec)
	}
	if diff := cmp.Diff([]string{"POST ", "PUT /ID", "POST /ID/start"}, left.calls()); diff != "" {
		t.Error(diff)
	}
	// What is refused at the start is said.
	stopped := newOffice(t, 100)
	stopped.refuse = func(r *http.Request) *dlq.Error {
		if strings.HasSuffix(r.URL.Path, "/start") {
			return dlq.Errorf(dlq.CodeRefused, "the global stop is on")
		}
		return nil
	}
	if got := stopped.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n"); got.status != 1 || !strings.Contains(got.errout, "the global stop is on") ||
		!strings.Contains(got.errout, "may still be a draft") {
		t.Errorf("%+v", got)
	}
	// Nothing to do is nothing done.
	none := newOffice(t, 2)
	if got := none.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n"); got.status != 1 || !strings.Contains(got.errout, "no letter would be replayed") {
		t.Errorf("%+v", got)
	}
	if c := none.calls(); c[len(c)-1] != "POST /ID/cancel" {
		t.Errorf("%v", c)
	}
}

// following walks through what an operation becomes at each look.
func following(steps ...func(*dlq.Operation)) func(*dlq.Operation) {
	return func(o *dlq.Operation) {
		if len(steps) > 0 {
			steps[0](o)
			steps = steps[1:]
		}
	}
}

func settled(end dlq.OperationEnd, counts map[dlq.ItemState]int64) func(*dlq.Operation) {
	return func(o *dlq.Operation) { o.State, o.End, o.Counts = dlq.OperationSettled, end, counts }
}

func TestReplayIsFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		next   func(*dlq.Operation)
		status int
		want   []string
	}{
		"to its good end": {following(func(o *dlq.Operation) { o.State, o.WaitsFor = dlq.OperationCanary, "canary" },
			settled(dlq.EndCompleted, map[dlq.ItemState]int64{dlq.ItemConfirmed: 98, dlq.ItemSkipped: 2})), 0, []string{"canary (waits: canary)", "settled  100 of 100  confirmed 98  skipped 2"}},
		"to a bad end": {following(settled(dlq.EndCompleted, map[dlq.ItemState]int64{dlq.ItemConfirmed: 90, dlq.ItemFailedAgain: 8, dlq.ItemSkipped: 2})), 3,
			[]string{"failed again 8", "8 of 100 letters of operation 7 did not come good"}},
		"until it is cancelled": {following(settled(dlq.EndCancelled, nil)), 3, []string{"settled (cancelled)", "was cancelled"}},
		"until it fails": {following(func(o *dlq.Operation) {
			o.State, o.End, o.Because = dlq.OperationSettled, dlq.EndFailed, map[string]string{"error": "no such topic"}
		}), 3, []string{"failed: no such topic"}},
		"until it is braked": {following(func(o *dlq.Operation) {
			o.State, o.Cause, o.Because = dlq.OperationPaused, dlq.PauseBreaker, map[string]string{"fingerprint": "00112233aabbccdd", "reason": "sql_error", "failed": "11", "of": "20", "above": "50"}
		}), 3, []string{"paused (breaker: 11 of 20 failed again, and 50 % is the limit; most often sql_error, failure group 00112233aabbccdd)", "dlq operations resume 7"}},
		"through its window": {following(func(o *dlq.Operation) { o.State, o.Cause = dlq.OperationPaused, dlq.PauseWindow },
			settled(dlq.EndCompleted, nil)), 0, []string{"paused (window)", "settled"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newOffice(t, 100)
			f.next = c.next
			got := f.do(t, "replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n", "--follow")
			for _, want := range c.want {
				if got.status != c.status || !strings.Contains(got.out+got.errout, want) {
					t.Errorf("lacks %q: %+v", want, got)
				}
			}
		})
	}
	f := newOffice(t, 100)
	f.next = following(settled(dlq.EndCompleted, nil))
	var o dlq.Operation
	if got := f.do(t, "operations", "show", "7", "--follow", "--json"); got.status != 0 || json.Unmarshal([]byte(got.out), &o) != nil || o.State != dlq.OperationSettled || !strings.Contains(got.errout, "settled") {
		t.Errorf("%+v", got)
	}
}

// Who leaves while following leaves the operation running, and is told so.
func TestFollowingEndsWithItsCaller(t *testing.T) {
	f := newOffice(t, 100)
	ctx, leave := context.WithCancel(t.Context())
	looks := 0
	f.next = func(*dlq.Operation) {
		if looks++; looks == 2 {
			leave()
		}
	}
	var out, errout bytes.Buffer
	env := environment{get: func(k string) string { return map[string]string{"DLQ_SERVER": f.URL}[k] }, stdout: &out, stderr: &errout}
	status := run(ctx, []string{"replay", "--filter", "tab=attention", "--dry-run=false", "--note", "n", "--follow"}, env)
	if status != 130 || !strings.Contains(errout.String(), "goes on without you") || slices.Contains(f.calls(), "POST /ID/cancel") {
		t.Errorf("%d %s %v", status, &errout, f.calls())
	}
}

// While the console is away its operation is not lost.
func TestFollowingOutlastsTheConsole(t *testing.T) {
	f := newOffice(t, 100)
	f.next = following(func(*dlq.Operation) {}, func(*dlq.Operation) {}, settled(dlq.EndCompleted, nil))
	looks := 0
	f.refuse = func(*http.Request) *dlq.Error {
		if looks++; looks == 2 {
			return dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
		}
		return nil
	}
	got := f.do(t, "operations", "show", "7", "--follow")
	if got.status != 0 || strings.Count(got.errout, "the disk is full; asking again") != 1 || !strings.Contains(got.out, "settled") {
		t.Errorf("%+v", got)
	}
}

func TestOperationsCommands(t *testing.T) {
	f := newOffice(t, 100)
	f.op.ID = "nightly"
	if got := f.do(t, "operations", "list", "--state", "running,paused", "--actor", "mia", "--limit", "5"); got.status != 0 || !strings.Contains(got.out, "7       replay  draft  100      0      0         mia") ||
		strings.Contains(got.out, "\x1b") || !strings.Contains(got.out, "There are more") {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"GET ?actor=mia&limit=5&state=running&state=paused"}, f.calls()); diff != "" {
		t.Error(diff)
	}
	f.asked = nil
	got := f.do(t, "operations", "show", "nightly")
	for _, want := range []string{"Operation 7 (nightly): replay, draft", "By mia", "Letters: tab=attention", "pending  100", "canary passed  mia"} {
		if got.status != 0 || !strings.Contains(got.out, want) {
			t.Errorf("lacks %q: %+v", want, got)
		}
	}
	f.op.State, f.op.Counts = dlq.OperationRunning, map[dlq.ItemState]int64{dlq.ItemPending: 90, dlq.ItemWaiting: 10}
	f.op.Spec.Pace = dlq.Pace{Rate: 20, RampUp: dlq.Duration(time.Minute), Concurrency: 4}
	f.asked = nil
	for _, c := range []struct{ args, asked, out string }{
		{"operations pause 7 --note wait", `POST /api/v1/operations/7/pause {"note":"wait"}`, "Operation 7: paused (by hand)  10 of 100  waiting 10"},
		{"operations resume --note on 7", `POST /api/v1/operations/7/resume {"note":"on"}`, "Operation 7: running"},
		{"operations pace 7 --rate 5", `POST /api/v1/operations/7/pace {"pace":{"rate":5,"ramp_up":"1m","concurrency":4}}`, "Operation 7: running"},
		{"operations cancel 7", `POST /api/v1/operations/7/cancel {"note":""}`, "What was sent stays sent"},
	} {
		got := f.do(t, strings.Fields(c.args)...)
		if got.status != 0 || !strings.Contains(got.out, c.out) || f.asked[len(f.asked)-1] != c.asked {
			t.Errorf("%s: %+v %s", c.args, got, f.asked[len(f.asked)-1])
		}
	}
	if got := f.do(t, "operations", "list", "--json"); got.status != 0 || !json.Valid([]byte(got.out)) || !strings.Contains(got.out, `"next": "n"`) {
		t.Errorf("%+v", got)
	}
}

// What goes wrong is said with what to do, and the token is nowhere.
func TestClientErrors(t *testing.T) {
	f := newOffice(t, 100)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("dlq_fromfile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.do(t, "operations", "show", "7", "--token-file", file); got.status != 0 || f.heads[0].Get("Authorization") != "Bearer dlq_fromfile" {
		t.Errorf("%+v %v", got, f.heads)
	}
	line := filepath.Join(t.TempDir(), "line")
	if err := os.WriteFile(line, []byte("mia operator dlq_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler(f.URL, http.StatusFound))
	defer elsewhere.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		args   []string
		refuse *dlq.Error
		status int
		want   string
	}{
		{[]string{"operations", "show", "7"}, dlq.Errorf(dlq.CodeUnauthorized, "this needs a log-in"), 1, "--token-file, or set DLQ_TOKEN"},
		{[]string{"operations", "show", "9"}, dlq.Errorf(dlq.CodeNotFound, "there is no operation 9").WithHint("dlq operations list"), 1, "there is no operation 9\nTry:   dlq operations list"},
		{[]string{"replay", "--filter", "tab=x"}, dlq.Errorf(dlq.CodeInvalid, "the tab is not known"), 2, "the tab is not known"},
		{[]string{"operations", "show", "9"}, dlq.Errorf(dlq.CodeInternal, "Internal error"), 1, "request id r1"},
		{[]string{"operations", "show", "7", "--server", elsewhere.URL}, nil, 1, "answers 302, but not as a console does"},
		{[]string{"operations", "show", "7", "--server", closed.URL}, nil, 1, "does not answer"},
		{[]string{"operations", "show", "7", "--server", "127.0.0.1:8642"}, nil, 2, "is not an address such as"},
		{[]string{"operations", "show", "7", "--server", "http://mia:dlq_secret@127.0.0.1:8642"}, nil, 2, "must not hold a user"},
		{[]string{"operations", "show", "7", "--token-file", line}, nil, 2, "not one word"},
		{[]string{"operations", "show", "7", "--token-file", line + "x"}, nil, 2, "cannot be read"},
		{[]string{"operations", "show", "7", "--token", "x"}, nil, 2, "-token"},
		{[]string{"operations"}, nil, 2, "dlq operations list"},
		{[]string{"operations", "stop", "7"}, nil, 2, `no dlq operations "stop"`},
		{[]string{"operations", "show"}, nil, 2, "takes 1 arguments"},
		{[]string{"operations", "pace", "7"}, nil, 2, "needs --rate"},
		{[]string{"replay"}, nil, 2, "needs --filter"},
		{[]string{"replay", "--filter", "tab=attention", "--dry-run=false"}, nil, 2, "needs --note"},
		{[]string{"replay", "--filter", "tab=attention", "--follow"}, nil, 2, "nothing to follow"},
		{[]string{"replay", "--filter", "tab=attention", "--brake", "50"}, nil, 2, "--brake"},
		{[]string{"replay", "--filter", "tab=attention", "--window", "02:00"}, nil, 2, "--window"},
		{[]string{"replay", "--filter", "tab=attention", "--delay", "soon"}, nil, 2, "-delay"},
	} {
		f.refuse = func(*http.Request) *dlq.Error { return c.refuse }
		got := f.do(t, c.args...)
		if got.status != c.status || !strings.Contains(got.errout, c.want) || strings.Contains(got.out+got.errout, "dlq_") {
			t.Errorf("dlq %s: %+v; want %d and %q", strings.Join(c.args, " "), got, c.status, c.want)
		}
	}
	if got := f.do(t, "operations", "-h"); got.status != 0 || !strings.Contains(got.out, "Usage: dlq operations list") {
		t.Errorf("%+v", got)
	}
	if got := f.do(t, "replay", "-h"); got.status != 0 || !strings.Contains(got.out, "-canary-percent") {
		t.Errorf("%+v", got)
	}
}

func TestACallThatIsBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &client{base: "http://127.0.0.1:1", http: http.DefaultClient}
	_, err := c.call(ctx, http.MethodGet, "/operations", nil, nil)
	var exit exitError
	if !errors.As(err, &exit) || exit.status != 130 {
		t.Errorf("%v", err)
	}
}
