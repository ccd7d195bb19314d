package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
)

// shopFloor is a consumer group on the stand-in that can be healed, and that counts what it is given back.
type shopFloor struct {
	broker *simulated.Broker
	data   string

	mu   sync.Mutex
	bad  func(number int) bool // which messages fail
	seen map[string]int        // replay id -> how often
	last string                // body of the newest replay
}

// newShopFloor lets so many messages of the consumer group "pay" die.
func newShopFloor(t *testing.T, letters int) *shopFloor {
	f := &shopFloor{broker: simulated.New(simulated.Options{}), data: filepath.Join(t.TempDir(), "dlq.db"), seen: map[string]int{}, bad: func(int) bool { return true }}
	f.broker.Consume(simulated.Consumer{Group: "pay", Topics: []string{"orders"}, MaxRetry: 1, Work: f.work})
	for i := range letters {
		f.broker.Produce(simulated.Message{Topic: "orders", Key: "n-" + strconv.Itoa(i), Body: []byte(fmt.Sprintf(`{"number":%d}`, i)),
			Properties: map[string]string{"FAILURE_REASON": "network_timeout"}})
	}
	return f
}

func (f *shopFloor) work(m simulated.Seen) bool {
	var body struct{ Number int }
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if id := m.Properties[dlq.PropReplayID]; id != "" && m.Attempts == 0 {
		f.seen[id]++
		f.last = string(m.Body)
	}
	return !f.bad(body.Number)
}

func (f *shopFloor) heal(bad func(number int) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad = bad
}

func (f *shopFloor) arrivals() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.seen)
}

// open runs a console on the shop floor within the test's process, and returns how to stop it.
func (f *shopFloor) open(t *testing.T) (*console, func()) {
	t.Helper()
	env := environment{get: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: t.Output(), stderr: t.Output()}
	env.open = func(config, *slog.Logger, prometheus.Registerer) (joinedCluster, error) {
		return joinedCluster{f.broker, func(ctx context.Context, in *handlers.Intake) error { return f.broker.Run(ctx, in) }, simulatedMarket{f.broker}}, nil
	}
	c := serveDefaults()
	c.listen, c.data, c.rules = "127.0.0.1:0", f.data, "../../rules.yaml"
	ctx, cancel := context.WithCancel(context.Background())
	a, err := newApp(ctx, c, env, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &console{t: t, url: "http://" + a.listener.Addr().String()}, stop
}

// await waits until so many letters need attention.
func await(t *testing.T, c *console, letters int64) {
	t.Helper()
	eventually(t, time.Minute, "the letters are there", func() error {
		var summary dlq.Summary
		if err := c.get("/summary", &summary); err != nil {
			return err
		}
		if n := summary.Tabs[dlq.TabAttention]; n != letters {
			return fmt.Errorf("%d letters need attention, of %d", n, letters)
		}
		return nil
	})
}

// reach waits until an operation is as it should be.
func reach(t *testing.T, c *console, id, what string, as func(dlq.Operation) bool) (o dlq.Operation) {
	t.Helper()
	eventually(t, time.Minute, what, func() error {
		o = dlq.Operation{} // maps are added to, not replaced
		if err := c.get("/operations/"+id, &o); err != nil {
			return err
		}
		if !as(o) {
			return fmt.Errorf("it is %s: %+v", progress(o), o.Because)
		}
		return nil
	})
	return o
}

func isSettled(o dlq.Operation) bool { return o.State == dlq.OperationSettled }

// A dry run changes nothing. Then the letters are replayed against a consumer group that fails a known fifth, and the
// ledger tells them apart exactly.
func TestBulkReplayFromAShell(t *testing.T) {
	t.Parallel()
	const letters = 60
	f := newShopFloor(t, letters)
	c, _ := f.open(t)
	await(t, c, letters)
	f.heal(func(number int) bool { return number%5 == 0 })
	dlqAt := func(args ...string) result { return try(t, map[string]string{"DLQ_SERVER": c.url}, "", args...) }

	const filter = "tab=attention&consumer_group=pay&reason=network_timeout"
	dry := dlqAt("replay", "--filter", filter)
	for _, want := range []string{"60 letters match; 60 would be replayed, 0 skipped.", "network_timeout  60", "pay             60", "Nothing was done."} {
		if dry.status != 0 || !strings.Contains(dry.out, want) {
			t.Errorf("the dry run lacks %q: %+v", want, dry)
		}
	}
	if list := dlqAt("operations", "list"); list.out != "No operations.\n" {
		t.Errorf("after the dry run: %+v", list)
	}
	if n := len(f.arrivals()); n != 0 {
		t.Fatalf("the dry run sent %d", n)
	}

	got := dlqAt("replay", "--filter", filter, "--dry-run=false", "--note", "the gateway is back", "--id", "nightly", "--canary", "0", "--canary-percent", "0", "--brake", "off", "--follow")
	if got.status != 3 || !strings.Contains(got.out, "settled  60 of 60  confirmed 48  failed again 12") || !strings.Contains(got.errout, "12 of 60 letters of operation") {
		t.Fatalf("%+v", got)
	}
	o := reach(t, c, "nightly", "it is settled", isSettled)
	if o.End != dlq.EndCompleted || o.Note != "the gateway is back" || o.Actor != "local" || o.Query != filter || o.StartedAt == nil || o.SettledAt == nil {
		t.Errorf("%+v", o)
	}
	if seen := f.arrivals(); len(seen) != letters || slices.Max(slices.Collect(maps.Values(seen))) != 1 {
		t.Errorf("%d replays arrived: %v", len(seen), seen)
	}
	// Every number opens its list, and each letter says the same.
	var page dlq.ItemPage
	if err := c.get("/operations/nightly/items?state=failed_again&limit=200", &page); err != nil || page.Total.Count != 12 || len(page.Items) != 12 {
		t.Fatalf("%+v %v", page.Total, err)
	}
	for _, item := range page.Items {
		number, err := strconv.Atoi(strings.TrimPrefix(item.Letter.Title(), "n-"))
		if err != nil || number%5 != 0 || item.Letter.State != dlq.StateOpen || !item.Letter.HasFlag(dlq.FlagFailedAgain) || item.Replay == nil || item.Replay.Operation != o.Number {
			t.Errorf("%+v", item)
		}
	}
	var history struct {
		Slot   dlq.Duration
		Points []dlq.OperationPoint
	}
	if err := c.get("/operations/nightly/history", &history); err != nil || len(history.Points) == 0 {
		t.Errorf("%+v %v", history, err)
	}
	var log struct{ Items []dlq.OperationEvent }
	if err := c.get("/operations/nightly/log", &log); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range slices.Backward(log.Items) {
		kinds = append(kinds, e.Kind)
	}
	if diff := cmp.Diff([]string{"created", "started", "began", "completed", "settled"}, kinds); diff != "" {
		t.Error(diff)
	}
	// The same call again is the same operation.
	again := dlqAt("replay", "--filter", filter, "--dry-run=false", "--note", "the gateway is back", "--id", "nightly")
	if again.status != 0 || !strings.Contains(again.errout, "not started a second time") || len(f.arrivals()) != letters {
		t.Errorf("%+v", again)
	}
	show := dlqAt("operations", "show", strconv.FormatInt(o.Number, 10))
	if show.status != 0 || !strings.Contains(show.out, "failed again  12") || !strings.Contains(show.out, "the gateway is back") {
		t.Errorf("%+v", show)
	}
}

// A console that is stopped in the middle of an operation goes on with it where it was when it is started again, and what
// people did in between holds.
func TestBulkReplayGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	const letters = 60
	f := newShopFloor(t, letters)
	c, stop := f.open(t)
	await(t, c, letters)
	f.heal(func(int) bool { return false })
	var o dlq.Operation
	draft := map[string]any{"id": "slow", "kind": "replay", "query": "tab=attention", "spec": map[string]any{"pace": map[string]any{"rate": 20}}}
	if err := c.call(t.Context(), http.MethodPost, "/operations", draft, &o); err != nil {
		t.Fatal(err)
	}

	// A draft outlasts a restart with its preview.
	stop()
	c, stop = f.open(t)
	o = reach(t, c, "slow", "the draft is there", func(o dlq.Operation) bool {
		return o.State == dlq.OperationDraft && o.Preview != nil && o.Preview.Eligible == letters
	})
	if err := c.call(t.Context(), http.MethodPost, "/operations/slow/start", map[string]any{"version": o.Version, "note": "slowly"}, &o); err != nil {
		t.Fatal(err)
	}
	reach(t, c, "slow", "some are sent", func(o dlq.Operation) bool { return o.Letters-o.Counts[dlq.ItemPending] >= 10 })
	stop()
	c, stop = f.open(t)
	o = reach(t, c, "slow", "it runs again", func(o dlq.Operation) bool { return o.State == dlq.OperationRunning && o.Rate > 0 })
	if o.Counts[dlq.ItemPending] == 0 {
		t.Fatal("it was over before it could be stopped again: the test tested nothing")
	}
	if got := try(t, map[string]string{"DLQ_SERVER": c.url}, "", "operations", "pause", "slow", "--note", "wait"); got.status != 0 || !strings.Contains(got.out, "paused (by hand)") {
		t.Errorf("%+v", got)
	}
	stop()
	c, _ = f.open(t)
	paused := reach(t, c, "slow", "it is still paused", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused && o.Cause == dlq.PauseByHand })
	if paused.Counts[dlq.ItemPending] == 0 {
		t.Fatal("nothing was left when it was paused")
	}
	if got := try(t, map[string]string{"DLQ_SERVER": c.url}, "", "operations", "pace", "slow", "--rate", "0"); got.status != 0 {
		t.Errorf("%+v", got)
	}
	if got := try(t, map[string]string{"DLQ_SERVER": c.url}, "", "operations", "resume", "slow"); got.status != 0 {
		t.Errorf("%+v", got)
	}
	o = reach(t, c, "slow", "it is settled", isSettled)
	if o.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("%+v", o.Counts)
	}
	if seen := f.arrivals(); len(seen) != letters || slices.Max(slices.Collect(maps.Values(seen))) != 1 {
		t.Errorf("%d replays arrived for %d letters", len(seen), letters)
	}
}

// The global stop halts an operation at once; lifting it is not enough to go on. Undo in time means that nothing is sent.
func TestTheStopAndTheUndo(t *testing.T) {
	t.Parallel()
	const letters = 30
	f := newShopFloor(t, letters)
	c, _ := f.open(t)
	await(t, c, letters)
	f.heal(func(int) bool { return false })
	make := func(id string, hold string, rate float64) dlq.Operation {
		var o dlq.Operation
		draft := map[string]any{"id": id, "kind": "replay", "query": "tab=attention", "note": "why", "spec": map[string]any{"hold": hold, "pace": map[string]any{"rate": rate}}}
		if err := c.call(t.Context(), http.MethodPost, "/operations", draft, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	start := func(o dlq.Operation) error {
		return c.call(t.Context(), http.MethodPost, "/operations/"+o.ID+"/start", map[string]any{"version": o.Version, "note": "why"}, nil)
	}
	undone := make("undone", "1m", 0)
	if err := start(undone); err != nil {
		t.Fatal(err)
	}
	reach(t, c, "undone", "it is held", func(o dlq.Operation) bool { return o.State == dlq.OperationQueued && o.HoldUntil != nil })
	if got := try(t, map[string]string{"DLQ_SERVER": c.url}, "", "operations", "cancel", "undone"); got.status != 0 || strings.Contains(got.out, "stays sent") {
		t.Errorf("%+v", got)
	}
	o := reach(t, c, "undone", "it is undone", isSettled)
	if o.End != dlq.EndCancelled || o.Counts[dlq.ItemSkipped] != letters || len(f.arrivals()) != 0 {
		t.Errorf("%+v; %d arrived", o, len(f.arrivals()))
	}

	halted := make("halted", "0s", 10)
	if err := start(halted); err != nil {
		t.Fatal(err)
	}
	reach(t, c, "halted", "some are sent", func(o dlq.Operation) bool { return o.Letters > o.Counts[dlq.ItemPending] })
	turn := func(stopped bool) {
		var a dlq.Automation
		if err := c.get("/automation", &a); err != nil {
			t.Fatal(err)
		}
		if err := c.call(t.Context(), http.MethodPut, "/automation", map[string]any{"on": a.On, "stopped": stopped, "note": "test", "version": a.Version}, nil); err != nil {
			t.Fatal(err)
		}
	}
	turn(true)
	o = reach(t, c, "halted", "it is halted", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused && o.Cause == dlq.PauseStop })
	if o.Counts[dlq.ItemPending] == 0 {
		t.Fatal("nothing was left when it was stopped")
	}
	sent := len(f.arrivals())
	if err := c.call(t.Context(), http.MethodPost, "/operations/halted/resume", map[string]any{}, nil); err == nil || !strings.Contains(err.Error(), "422") {
		t.Errorf("resumed while stopped: %v", err)
	}
	if err := start(make("late", "0s", 0)); err == nil || !strings.Contains(err.Error(), "422") {
		t.Errorf("started while stopped: %v", err)
	}
	turn(false)
	o = reach(t, c, "halted", "it stays halted", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	if n := len(f.arrivals()); n > sent+1 {
		t.Errorf("%d were sent while it was halted", n-sent)
	}
	if err := c.call(t.Context(), http.MethodPost, "/operations/halted/resume", map[string]any{}, nil); err != nil {
		t.Fatal(err)
	}
	if o = reach(t, c, "halted", "it is settled", isSettled); o.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("%+v", o.Counts)
	}
}

// A letter is probed, edited and replayed as it was edited; an operation changes messages on their way. The stored
// originals stay as they are, and what the consumer got is what was asked for.
func TestEditsAndTransformsReachTheConsumer(t *testing.T) {
	t.Parallel()
	f := newShopFloor(t, 2)
	c, _ := f.open(t)
	await(t, c, 2)
	var page dlq.Page
	if err := c.get("/letters?q=n-0", &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v %v", page, err)
	}
	l := page.Items[0]
	at := "/letters/" + strconv.FormatInt(l.ID, 10)

	var probed struct {
		Probe  dlq.Probe
		Letter dlq.Letter
	}
	if err := c.call(t.Context(), http.MethodPost, at+"/probe", map[string]any{"version": l.Version, "note": "why?"}, &probed); err != nil {
		t.Fatal(err)
	}
	if probed.Probe.Verdict != dlq.ProbeLater || !probed.Probe.Trusted || probed.Letter.Version <= l.Version || probed.Letter.State != dlq.StateOpen {
		t.Errorf("%+v", probed)
	}
	var detail dlq.Detail
	if err := c.get(at, &detail); err != nil || detail.Events[0].Kind != dlq.EventProbed || detail.Events[0].Actor != "local" {
		t.Errorf("%+v %v", detail.Events, err)
	}

	f.heal(func(int) bool { return false })
	var edited struct {
		Edit   dlq.Edit
		Letter dlq.Letter
	}
	edit := map[string]any{"version": probed.Letter.Version, "note": "it was the wrong number", "body": []byte(`{"number":100}`), "set": map[string]string{"MENDED": "yes"}}
	if err := c.call(t.Context(), http.MethodPost, at+"/edits", edit, &edited); err != nil {
		t.Fatal(err)
	}
	if err := c.call(t.Context(), http.MethodPost, at+"/edits", edit, nil); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("a second editor: %v", err)
	}
	if err := c.call(t.Context(), http.MethodPost, at+"/replay", map[string]any{"version": edited.Letter.Version, "edit": edited.Edit.Number, "note": "mended"}, nil); err != nil {
		t.Fatal(err)
	}
	got := func(want string) {
		t.Helper()
		eventually(t, time.Minute, "the consumer has "+want, func() error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.last != want {
				return fmt.Errorf("it has %q", f.last)
			}
			return nil
		})
	}
	got(`{"number":100}`)
	var editable dlq.Editable
	if err := c.get(at+"/edits", &editable); err != nil || string(editable.Body) != `{"number":0}` || len(editable.Edits) != 1 || editable.Edits[0].Author != "local" {
		t.Errorf("%+v %v", editable, err)
	}

	var o dlq.Operation
	draft := map[string]any{"id": "mend", "kind": "replay", "query": "tab=attention", "spec": map[string]any{"replay": map[string]any{
		"transform": []map[string]any{{"do": "set", "path": "/number", "value": "7"}, {"do": "set", "path": "/who", "value": `"shell"`}}}}}
	if err := c.call(t.Context(), http.MethodPost, "/operations", draft, &o); err != nil {
		t.Fatal(err)
	}
	if o.Preview == nil || len(o.Preview.Samples) != 1 || o.Preview.Samples[0].Before != `{"number":1}` || o.Preview.Samples[0].After != `{"number":7,"who":"shell"}` {
		t.Errorf("%+v", o.Preview)
	}
	if err := c.call(t.Context(), http.MethodPost, "/operations/mend/start", map[string]any{"version": o.Version, "note": "mended"}, nil); err != nil {
		t.Fatal(err)
	}
	got(`{"number":7,"who":"shell"}`)
	reach(t, c, "mend", "it is settled", func(o dlq.Operation) bool { return isSettled(o) && o.Counts[dlq.ItemConfirmed] == 1 })
}

// Bulk acts that send nothing go through the same states, and each letter says which operation it was.
func TestLettersAreDiscardedInBulk(t *testing.T) {
	t.Parallel()
	f := newShopFloor(t, 5)
	c, _ := f.open(t)
	await(t, c, 5)
	for _, kind := range []string{"discard", "restore", "resolve"} {
		var o dlq.Operation
		query := map[string]string{"discard": "tab=attention", "restore": "tab=discarded", "resolve": "tab=attention"}[kind]
		if err := c.call(t.Context(), http.MethodPost, "/operations", map[string]any{"id": kind + "-all", "kind": kind, "query": query}, &o); err != nil {
			t.Fatal(err)
		}
		if err := c.call(t.Context(), http.MethodPost, "/operations/"+o.ID+"/start", map[string]any{"version": o.Version, "note": "test orders"}, nil); err != nil {
			t.Fatal(err)
		}
		reach(t, c, o.ID, "it is settled", func(o dlq.Operation) bool { return isSettled(o) && o.Counts[dlq.ItemDone] == 5 })
	}
	var summary dlq.Summary
	if err := c.get("/summary", &summary); err != nil || summary.Tabs[dlq.TabResolved] != 5 || len(f.arrivals()) != 0 {
		t.Errorf("%+v %v", summary.Tabs, err)
	}
}
