package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/replay"
	"deadletteroffice/store"
)

// A rule that always replays and a consumer that always fails come to an end, whatever is lost on the way: by the
// quarantine, by the rule's own limit, and by the count that the message carries when the console's file is gone.
func TestReplayLoopsEnd(t *testing.T) {
	t.Parallel()
	const head = "rules: [{name: again, match: {reason: network_timeout}, route: retry, retry: {delay: 1s, backoff: 1, max: "
	for _, tt := range []struct {
		name, rules string
		files       int // consoles one after another, each with a new file
		sends       int
		hold        dlq.Hold
	}{
		{"quarantine", head + "1000}}]\nautomation: {quarantine_after: 4, rate: 100/s, max_age: 1d}", 1, 4, dlq.HoldQuarantined},
		{"no quarantine", head + "6}}]\nautomation: {quarantine_after: 0, rate: 100/s, max_age: 1d}", 1, 6, dlq.HoldRetriesUsedUp},
		{"new files, quarantine", head + "1000}}]\nautomation: {quarantine_after: 4, rate: 100/s, max_age: 1d}", 3, 4, dlq.HoldQuarantined},
		{"new files, no quarantine", head + "6}}]\nautomation: {quarantine_after: 0, rate: 100/s, max_age: 1d}", 3, 6, dlq.HoldRetriesUsedUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVictim(t, tt.rules)
				for n := range tt.files - 1 {
					v.console(func() bool { return v.sends() > n }) // its replay has not died yet when the next console takes over
				}
				end := time.Now().Add(time.Hour)
				last := v.console(func() bool { return time.Now().After(end) })
				if last.State != dlq.StateOpen || last.Hold != tt.hold || last.HasFlag(dlq.FlagQuarantined) != (tt.hold == dlq.HoldQuarantined) {
					t.Errorf("letter %+v", last)
				}
				if got := v.sends(); got != tt.sends {
					t.Errorf("given back %d times, want %d", got, tt.sends)
				}
			})
		})
	}
}

// victim is a consumer that fails everything, and the message that it fails.
type victim struct {
	t      *testing.T
	broker *simulated.Broker
	rules  *classifier.Live

	mu   sync.Mutex
	seen map[string]bool // replay ids
}

func newVictim(t *testing.T, text string) *victim {
	rules, found := classifier.CompileText([]byte(text))
	if rules == nil {
		t.Fatalf("%+v", found)
	}
	v := &victim{t: t, broker: simulated.New(simulated.Options{}), rules: classifier.NewLive(), seen: map[string]bool{}}
	v.rules.Swap(1, rules)
	v.broker.Consume(simulated.Consumer{Group: "pay", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, MaxRetry: 1, Work: v.fail})
	v.broker.Produce(simulated.Message{Topic: "orders", Body: []byte("{}"), Properties: map[string]string{"FAILURE_REASON": "network_timeout"}})
	return v
}

func (v *victim) fail(s simulated.Seen) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if id := s.Properties[dlq.PropReplayID]; id != "" {
		v.seen[id] = true
	}
	return false
}

// sends is how many replays the consumer got.
func (v *victim) sends() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.seen)
}

// console runs a console with a new file, automation on, until enough has happened, and returns the newest letter.
func (v *victim) console(enough func() bool) dlq.Letter {
	t := v.t
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Path: filepath.Join(t.TempDir(), "dlq.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	automation, err := handlers.NewSwitch(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := automation.Set(ctx, automation.Get().Version, dlq.Automation{On: true}); err != nil {
		t.Fatal(err)
	}
	intake := handlers.NewIntake(handlers.IntakeDeps{Store: s, Rules: v.rules, Automation: automation.Get, Policy: v.rules.Automation, Compensations: &handlers.LiveCompensations{}})
	replays := replay.New(replay.Deps{Store: s, Broker: v.broker, Rules: v.rules, Automation: automation.Get, Policy: v.rules.Automation})
	var loops sync.WaitGroup
	for _, run := range []func(context.Context) error{func(ctx context.Context) error { return v.broker.Run(ctx, intake) }, replays.RunDue, replays.RunTracker} {
		loops.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for !enough() {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	loops.Wait()
	page, err := s.Letters(context.Background(), dlq.Filter{}, "", 1)
	if err != nil || len(page.Items) == 0 {
		t.Fatalf("no letter: %v", err)
	}
	return page.Items[0]
}
