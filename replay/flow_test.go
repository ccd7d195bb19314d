package replay_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
)

// standIn lets an office work on the in-memory broker.
type standIn struct{ *simulated.Broker }

func (s standIn) run(ctx context.Context, in *office) error { return s.Run(ctx, in) }

// sick makes a consumer group that fails everything until it is healed.
func sick(b standIn, kind dlq.GroupKind) (heal func()) {
	var healed atomic.Bool
	b.Consume(simulated.Consumer{Group: "g", Kind: kind, Topics: []string{"orders"}, MaxRetry: 1, Work: func(simulated.Seen) bool { return healed.Load() }})
	return func() { healed.Store(true) }
}

// The main job on a real store: a letter dies, is replayed in vain and reopened, is healed, replayed and confirmed.
func TestFailedAgainThenConfirmed(t *testing.T) {
	for _, kind := range []dlq.GroupKind{dlq.GroupConcurrent, dlq.GroupOrderly} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := standIn{simulated.New(simulated.Options{Step: 20 * time.Millisecond})}
			heal := sick(b, kind)
			o := openOffice(t, b, "")
			key := b.Produce(simulated.Message{Topic: "orders", Key: "k", Body: []byte("body")})
			l := o.letter("g", 10*time.Second, dead(1))
			first := o.replay(l, nil)
			if want := map[dlq.GroupKind]dlq.Door{dlq.GroupConcurrent: dlq.DoorRetry, dlq.GroupOrderly: dlq.DoorBack}[kind]; first.Door != want {
				t.Errorf("through door %s, want %s", first.Door, want)
			}
			again := o.letter("g", 15*time.Second, dead(2))
			if again.ID != l.ID || again.UniqueKey != key || !again.HasFlag(dlq.FlagFailedAgain) || again.Replays != 1 {
				t.Errorf("reopened: %+v", again)
			}
			if r := o.stored(first.ID); r.Outcome != dlq.OutcomeFailedAgain {
				t.Errorf("first replay: %+v", r)
			}
			heal()
			second := o.replay(again, nil)
			if l := o.letter("g", 15*time.Second, confirmed); l.Deaths != 2 || l.Replays != 2 {
				t.Errorf("resolved: %+v", l)
			}
			r := o.stored(second.ID)
			if r.Number != 2 || r.SeenAt == nil || r.SettledAt == nil || r.SettledAt.Sub(*r.SeenAt) < time.Second {
				t.Errorf("second replay: %+v", r)
			}
		})
	}
}

// A letter that a rule has scheduled is sent when it is due, comes back, and is confirmed at the next try.
func TestScheduledLetters(t *testing.T) {
	t.Parallel()
	b := standIn{simulated.New(simulated.Options{Step: 20 * time.Millisecond})}
	heal := sick(b, dlq.GroupConcurrent)
	o := openOffice(t, b, "")
	o.mu.Lock()
	o.plan = func(*dlq.DeadMessage) dlq.Plan {
		due := time.Now().Add(time.Second)
		return dlq.Plan{State: dlq.StateScheduled, DueAt: &due}
	}
	o.mu.Unlock()
	b.Produce(simulated.Message{Topic: "orders", Body: []byte("body")})
	l := o.letter("g", 20*time.Second, func(l dlq.Letter) bool { return l.Deaths == 2 })
	heal()
	if done := o.letter("g", 20*time.Second, confirmed); done.ID != l.ID {
		t.Errorf("another letter: %+v", done)
	}
}

// The console stops and starts again while an outcome is open; nothing but the file is left of it.
func TestOutcomeSurvivesARestart(t *testing.T) {
	t.Parallel()
	b := standIn{simulated.New(simulated.Options{Step: 20 * time.Millisecond})}
	heal := sick(b, dlq.GroupConcurrent)
	path := filepath.Join(t.TempDir(), "dlq.db")
	o := openOffice(t, b, path)
	b.Produce(simulated.Message{Topic: "orders", Body: []byte("body")})
	l := o.letter("g", 10*time.Second, dead(1))
	heal()
	b.SetOnline("g", false)
	r := o.replay(l, nil)
	o.letter("g", 10*time.Second, func(dlq.Letter) bool { return o.stored(r.ID).Detail == "group_offline" })
	o.stop()
	if err := o.store.Close(); err != nil {
		t.Fatal(err)
	}
	b.SetOnline("g", true)
	o = openOffice(t, b, path)
	if l := o.letter("g", 15*time.Second, confirmed); l.Replays != 1 {
		t.Errorf("letter: %+v", l)
	}
}
