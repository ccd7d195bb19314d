package operation_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/replay"
	"deadletteroffice/replay/operation"
	"deadletteroffice/store"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// office is all that stands behind an operation: a real store, a real replay service with its tracker, a desk, and the
// simulated broker with a consumer group that does what work says.
type office struct {
	*operation.Manager
	t        testing.TB
	path     string
	store    *store.Store
	broker   *simulated.Broker
	replays  *replay.Service
	mortal   *mortal                                   // nil for a process that lives
	wrap     func(operation.Replays) operation.Replays // nil: replays as they are
	shelve   func(operation.Store) operation.Store     // nil: the store as it is
	registry prometheus.Registerer
	policy   dlq.AutomationPolicy
	stopped  atomic.Bool // the global stop
	log      *slog.Logger

	mu   sync.Mutex
	work func(simulated.Seen) bool // nil: all is well

	step      time.Duration // in which the broker's messages move
	doorsFail error         // for a test of its own
	halt      func()        // ends the loops and closes the store
}

// open opens an office. Call it inside a synctest bubble.
func open(t testing.TB, with func(*office)) *office {
	t.Helper()
	o := &office{t: t, path: filepath.Join(t.TempDir(), "dlq.db"), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	o.step = 500 * time.Millisecond
	if with != nil {
		with(o)
	}
	o.broker = simulated.New(simulated.Options{Step: o.step})
	o.consume("pay", "orders")
	o.consume("ship", "parcels")
	o.run()
	t.Cleanup(func() { o.halt() })
	return o
}

func (o *office) consume(group, topic string) {
	o.broker.Consume(simulated.Consumer{Group: group, Kind: dlq.GroupConcurrent, Topics: []string{topic}, MaxRetry: 1, Work: func(s simulated.Seen) bool {
		o.mu.Lock()
		work := o.work
		o.mu.Unlock()
		return s.Properties[dlq.PropReplayID] != "" && (work == nil || work(s))
	}})
}

// run opens the store and starts the loops.
func (o *office) run() {
	o.t.Helper()
	st, err := store.Open(context.Background(), store.Options{Path: o.path, Logger: o.log})
	if err != nil {
		o.t.Fatal(err)
	}
	o.store = st
	automation := func() dlq.Automation { return dlq.Automation{Stopped: o.stopped.Load()} }
	policy := func() dlq.AutomationPolicy { return o.policy }
	o.replays = replay.New(replay.Deps{Store: st, Broker: o.broker, Rules: plain{}, Automation: automation, Policy: policy, Logger: o.log})
	sw, err := handlers.NewSwitch(context.Background(), st, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	d := operation.Deps{
		Store: st, Replays: o.replays, Desk: handlers.NewDesk(handlers.DeskDeps{Store: st, Switch: sw, Policy: policy, Compensations: &handlers.LiveCompensations{}}),
		Cluster: o.broker, Automation: automation, Policy: policy, Zone: time.UTC, Logger: o.log, Registerer: o.registry,
	}
	if o.wrap != nil {
		d.Replays = o.wrap(d.Replays)
	}
	if o.shelve != nil {
		d.Store = o.shelve(d.Store)
	}
	if o.mortal != nil {
		o.mortal.Store, o.mortal.Replays = st, d.Replays
		d.Store, d.Replays = o.mortal, o.mortal
	}
	o.Manager = operation.New(d)
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context) error{
		func(ctx context.Context) error { return o.broker.Run(ctx, o) }, o.replays.RunTracker, o.Manager.Run,
	} {
		loops.Go(func() {
			if err := loop(ctx); err != nil {
				o.t.Error(err)
			}
		})
	}
	o.halt = sync.OnceFunc(func() {
		cancel()
		loops.Wait()
		if err := st.Close(); err != nil {
			o.t.Error(err)
		}
	})
}

type plain struct{}

func (plain) ReplayTargets(string) dlq.ReplayTargets { return dlq.ReplayTargets{} }

func (plain) Unwrap(m *dlq.DeadMessage) ([]byte, string, bool, error) { return m.Body, "", false, nil }

// Position and Accept are the smallest intake that joins returning deaths to their letters.
func (o *office) Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	return o.store.QueuePosition(ctx, q)
}

func (o *office) Accept(ctx context.Context, batches []dlq.Batch) <-chan error {
	done := make(chan error, 1)
	var out []dlq.AdmitBatch
	for _, b := range batches {
		known, err := o.store.Known(ctx, b.Messages)
		if err != nil {
			done <- err
			return done
		}
		admit := dlq.AdmitBatch{Queue: b.Queue, Epoch: b.Epoch, From: b.From, Next: b.Next, Gap: b.Gap}
		for i, m := range b.Messages {
			a := dlq.Arrival{
				Message: m, Foreign: known[i].Foreign, Plan: dlq.Plan{State: dlq.StateOpen}, ReportsSeen: known[i].ReportsSeen,
				Facts:   dlq.Facts{Reason: "card_expired", Origin: dlq.OriginProperty, Topic: m.OriginalTopic, Fingerprint: "0123456789abcdef"},
				Verdict: dlq.Verdict{Rule: "r", Route: dlq.RouteManual, Severity: dlq.SeverityNormal},
			}
			if k := known[i]; k.Letter != nil {
				a.Join = &dlq.Join{LetterID: k.Letter.ID, ReplayID: k.Replay.ID}
				a.Plan.Flags = []dlq.Flag{dlq.FlagFailedAgain}
			}
			admit.Arrivals = append(admit.Arrivals, a)
		}
		out = append(out, admit)
	}
	return o.store.Admit(ctx, out)
}

// does sets what consumers do with a replayed message; the first deliveries always fail.
func (o *office) does(work func(simulated.Seen) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.work = work
}

// die lets n messages die in the consumer group pay, and waits for the letters. Key and body have the message's number.
func (o *office) die(n int, properties func(i int) map[string]string) {
	o.t.Helper()
	o.dieIn("pay", "orders", n, properties)
}

func (o *office) dieIn(group, topic string, n int, properties func(i int) map[string]string) {
	o.t.Helper()
	f := dlq.Filter{ConsumerGroups: []string{group}}
	before := o.letters(f)
	for i := range n {
		m := simulated.Message{Topic: topic, Key: fmt.Sprint("K", i), Body: fmt.Appendf(nil, `{"n":%d}`, i)}
		if properties != nil {
			m.Properties = properties(i)
		}
		o.broker.Produce(m)
		time.Sleep(time.Millisecond) // none is born at the same moment
	}
	o.until("the letters", func() bool { return o.letters(f) == before+int64(n) })
}

func (o *office) letters(f dlq.Filter) int64 {
	o.t.Helper()
	p, err := o.store.Letters(context.Background(), f, "", 1)
	if err != nil {
		o.t.Fatal(err)
	}
	return p.Total.Count
}

// until waits, in the time of the bubble, for something to be so.
func (o *office) until(what string, so func() bool) {
	o.t.Helper()
	for end := time.Now().Add(time.Hour); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			o.t.Fatalf("an hour passed, and %s did not come", what)
		}
	}
}

func (o *office) get(id string) dlq.Operation {
	o.t.Helper()
	op, err := o.Get(context.Background(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return op
}

// draft makes a draft of kind replay over all letters of pay.
func (o *office) draft(id string, spec dlq.OperationSpec) dlq.Operation {
	o.t.Helper()
	return o.draftOf(dlq.Operation{ID: id, Kind: dlq.OperationReplay, Spec: spec, Actor: "li"}, dlq.Filter{ConsumerGroups: []string{"pay"}})
}

func (o *office) draftOf(op dlq.Operation, f dlq.Filter) dlq.Operation {
	o.t.Helper()
	made, err := o.Create(context.Background(), op, dlq.OperationPick{Filter: &f})
	if err != nil {
		o.t.Fatal(err)
	}
	return made
}

// start starts a draft of kind replay over all letters of pay.
func (o *office) start(id string, spec dlq.OperationSpec) dlq.Operation {
	o.t.Helper()
	d := o.draft(id, spec)
	op, err := o.Start(context.Background(), id, d.Version, "the card service is back", "li")
	if err != nil {
		o.t.Fatal(err)
	}
	return op
}

// comes waits until an operation is in a state.
func (o *office) comes(id string, s dlq.OperationState) dlq.Operation {
	o.t.Helper()
	o.until(fmt.Sprintf("%s of %s", s, id), func() bool { return o.get(id).State == s })
	return o.get(id)
}

// counts compares the ledger; states that are not named have no letters.
func (o *office) counts(op dlq.Operation, want map[dlq.ItemState]int64) {
	o.t.Helper()
	got := map[dlq.ItemState]int64{}
	var sum int64
	for s, n := range op.Counts {
		sum += n
		if n != 0 {
			got[s] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		o.t.Errorf("counts of %s, which is %s (-want +got):\n%s", op.ID, op.State, diff)
	}
	if sum != op.Letters {
		o.t.Errorf("the counts of %s add up to %d, it has %d letters", op.ID, sum, op.Letters)
	}
}

// log returns the kinds of an operation's events, oldest first.
func (o *office) events(op dlq.Operation) (kinds []string) {
	o.t.Helper()
	list, err := o.store.OperationEvents(context.Background(), op.Number, 100)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range list {
		kinds = append([]string{e.Kind}, kinds...)
	}
	return kinds
}
