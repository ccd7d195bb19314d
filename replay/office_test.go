package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/replay"
	"deadletteroffice/store"
)

// office is a store with a small intake, a service and its loops, on some broker.
type office struct {
	t       testing.TB
	store   *store.Store
	service *replay.Service
	stop    func() // ends the loops; the store stays open
	close   func() // ends all

	mu   sync.Mutex
	plan func(m *dlq.DeadMessage) dlq.Plan // nil: to a person
}

// broker is what the two broker packages have in common.
type broker interface {
	replay.Broker
	run(ctx context.Context, in *office) error
}

// openOffice opens an office on a broker, with a file of its own, or on the file of an earlier one.
func openOffice(t testing.TB, b broker, path string) *office {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "dlq.db")
	}
	log := testLog(t)
	st, err := store.Open(t.Context(), store.Options{Path: path, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, store: st}
	o.service = replay.New(replay.Deps{
		Store: st, Broker: b, Rules: plain{}, Logger: log,
		Automation: func() dlq.Automation { return dlq.Automation{On: true} },
		Policy:     func() dlq.AutomationPolicy { return dlq.AutomationPolicy{Rate: 100_000} },
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var loops sync.WaitGroup
	for name, loop := range map[string]func(context.Context) error{
		"reader": func(ctx context.Context) error { return b.run(ctx, o) }, "due": o.service.RunDue, "tracker": o.service.RunTracker,
	} {
		loops.Go(func() {
			if err := loop(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	o.stop = sync.OnceFunc(func() {
		cancel()
		loops.Wait()
	})
	o.close = sync.OnceFunc(func() {
		o.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(o.close)
	return o
}

type plain struct{}

func (plain) Unwrap(m *dlq.DeadMessage) ([]byte, string, bool, error) { return m.Body, "", false, nil }

func (plain) ReplayTargets(string) dlq.ReplayTargets { return dlq.ReplayTargets{} }

// Position and Accept are the smallest intake that joins returning deaths to their letters.
func (o *office) Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	return o.store.QueuePosition(ctx, q)
}

func (o *office) Accept(ctx context.Context, batches []dlq.Batch) <-chan error {
	done := make(chan error, 1)
	go func() { done <- o.accept(ctx, batches) }()
	return done
}

func (o *office) accept(ctx context.Context, batches []dlq.Batch) error {
	var out []dlq.AdmitBatch
	for _, b := range batches {
		known, err := o.store.Known(ctx, b.Messages)
		if err != nil {
			return err
		}
		admit := dlq.AdmitBatch{Queue: b.Queue, Epoch: b.Epoch, From: b.From, Next: b.Next, Gap: b.Gap}
		for i, m := range b.Messages {
			a := dlq.Arrival{
				Message: m, Foreign: known[i].Foreign, Plan: dlq.Plan{State: dlq.StateOpen}, ReportsSeen: known[i].ReportsSeen,
				Facts:   dlq.Facts{Reason: "network_timeout", Origin: dlq.OriginProperty, Topic: m.OriginalTopic, Fingerprint: "0123456789abcdef"},
				Verdict: dlq.Verdict{Rule: "r", Route: dlq.RouteManual, Severity: dlq.SeverityNormal},
			}
			o.mu.Lock()
			if o.plan != nil {
				a.Plan = o.plan(&m)
			}
			o.mu.Unlock()
			if k := known[i]; k.Letter != nil {
				a.Join = &dlq.Join{LetterID: k.Letter.ID, ReplayID: k.Replay.ID}
			}
			admit.Arrivals = append(admit.Arrivals, a)
		}
		out = append(out, admit)
	}
	return <-o.store.Admit(ctx, out)
}

// letter waits for the letter of a consumer group to be as asked, and returns it.
func (o *office) letter(group string, limit time.Duration, as func(dlq.Letter) bool) dlq.Letter {
	o.t.Helper()
	end := time.Now().Add(limit)
	for {
		page, err := o.store.Letters(o.t.Context(), dlq.Filter{ConsumerGroups: []string{group}}, "", 10)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, l := range page.Items {
			if as(l) {
				return l
			}
		}
		if time.Now().After(end) {
			o.t.Fatalf("after %s the letters of %s are: %s", limit, group, o.describe(page.Items))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (o *office) describe(letters []dlq.Letter) string {
	out := fmt.Sprintf("%d letters\n", len(letters))
	for _, l := range letters {
		out += fmt.Sprintf("%d %s %s %v deaths %d replays %d\n", l.ID, l.State, l.Resolution, l.Flags, l.Deaths, l.Replays)
		d, err := o.store.Detail(o.t.Context(), l.ID)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, r := range d.ReplayList {
			out += fmt.Sprintf("  replay %s %s %s looks %d error %q receipt %+v\n", r.Door, r.Outcome, r.Detail, r.Looks, r.Error, r.Receipt)
		}
		for _, e := range d.Events {
			out += fmt.Sprintf("  %s %s %s %v\n", e.At.Format(time.TimeOnly), e.Kind, e.Actor, e.Detail)
		}
	}
	return out
}

func in(states ...dlq.State) func(dlq.Letter) bool {
	return func(l dlq.Letter) bool {
		for _, s := range states {
			if l.State == s {
				return true
			}
		}
		return false
	}
}

func dead(times int) func(dlq.Letter) bool {
	return func(l dlq.Letter) bool { return l.State == dlq.StateOpen && l.Deaths == times }
}

func confirmed(l dlq.Letter) bool {
	return l.State == dlq.StateResolved && l.Resolution == dlq.ResolvedConfirmed
}

// replay gives a letter back and returns the replay.
func (o *office) replay(l dlq.Letter, edit func(*dlq.ReplayRequest)) dlq.Replay {
	o.t.Helper()
	req := dlq.ReplayRequest{LetterID: l.ID, Version: l.Version, Actor: "lin"}
	if edit != nil {
		edit(&req)
	}
	r, _, err := o.service.Replay(o.t.Context(), req)
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// stored returns the replay as it is now.
func (o *office) stored(id string) dlq.Replay {
	o.t.Helper()
	r, err := o.store.Replay(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// testLog shows the log of a test that failed.
func testLog(t testing.TB) *slog.Logger {
	var buf lockedBuffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("log:\n" + buf.String())
		}
	})
	return slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
