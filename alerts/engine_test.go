package alerts

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/dlq"
)

// office is the store and the cluster of an engine in a test.
type office struct {
	mu       sync.Mutex
	book     dlq.AlertBook
	open     int64
	silences []dlq.Silence
	broken   error // of every call to the store
	took     []time.Duration
	sent     []dlq.Delivery
	began    time.Time
	refused  bool
	away     bool
}

func (o *office) AlertBook(context.Context) (dlq.AlertBook, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.book, o.broken
}

func (o *office) SaveAlerts(_ context.Context, step dlq.AlertStep) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil {
		return o.broken
	}
	o.book = after(o.book, &step)
	o.took = append(o.took, time.Since(o.began))
	o.sent = append(o.sent, step.Deliveries...)
	return nil
}

func (o *office) Silences(_ context.Context, limit int) ([]dlq.Silence, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.silences[:min(len(o.silences), limit)], o.broken
}

func (o *office) LetterSignals(context.Context) ([]dlq.LetterSignal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return []dlq.LetterSignal{{Cluster: "c", ConsumerGroup: "pay", Topic: "t", Reason: "timeout", Open: o.open}}, o.broken
}

func (o *office) ReplaySignals(context.Context) ([]dlq.ReplaySignal, error) { return nil, o.broken }

func (o *office) OldestOpenBy(context.Context, []string) ([]dlq.OldestOpen, error) {
	return nil, o.broken
}

func (o *office) Topics(context.Context) ([]dlq.TopicInfo, error) { return nil, nil }

func (o *office) Status() dlq.ClusterStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := dlq.ClusterStatus{Cluster: "c", NameServers: []string{"n:1"}, Reachable: !o.away, Since: &o.began}
	if o.away {
		s.Cluster = ""
	}
	return s
}

func (o *office) change(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// looks returns when turns were stored since the last call, in seconds since the begin.
func (o *office) looks() (out []float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.took {
		out = append(out, d.Seconds())
	}
	o.took = nil
	return out
}

// run starts an engine on the rules within a synctest bubble. stop ends it.
func (o *office) run(t *testing.T, rules string, change func(*Deps)) (e *Engine, live *Live, stop func()) {
	o.began = time.Now()
	live = NewLive(LiveOptions{PublicURL: "https://dlq.example"})
	live.value.Store(&inForce{1, compiled(t, rules)}) // as it is before Run
	d := Deps{Book: o, Signals: o, Cluster: o, Live: live, Stalled: func() bool { return false }, RulesRefused: func() bool { return o.refused }, Disk: func() (float64, error) { return 0.5, nil }}
	if change != nil {
		change(&d)
	}
	e = New(d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return e, live, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestWhenTheEngineLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{}
		e, live, stop := o.run(t, quick+"alerts:\n- {name: pile, signal: open_letters, above: 1, for: 7s, receivers: [ops]}\n", nil)
		defer stop()
		time.Sleep(31 * time.Second)
		if diff := cmp.Diff([]float64{0, 15, 30}, o.looks()); diff != "" {
			t.Errorf("by itself: %s", diff)
		}
		e.Wake() // a second after the last look
		e.Wake()
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]float64{32}, o.looks()); diff != "" {
			t.Errorf("woken: %s", diff)
		}
		e.Wake()
		synctest.Wait()
		if diff := cmp.Diff([]float64{34}, o.looks()); diff != "" {
			t.Errorf("woken after a pause: %s", diff)
		}
		live.Swap(2, compiled(t, quick+"alerts:\n- {name: pile, signal: open_letters, above: 2, for: 7s, receivers: [ops]}\n"))
		synctest.Wait()
		if diff := cmp.Diff([]float64{34}, o.looks()); diff != "" {
			t.Errorf("other rules: %s", diff)
		}
		o.change(func() { o.open = 3 })
		time.Sleep(30 * time.Second)
		if diff := cmp.Diff([]float64{49, 56}, o.looks()); diff != "" {
			t.Errorf("`for` is over: %s", diff)
		}
	})
}

func TestEngineSurvivesABrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := &office{open: 5, broken: errors.New("the disk is full")}
		registry := prometheus.NewPedanticRegistry()
		told := 0
		e, _, stop := o.run(t, quick+"alerts:\n- {name: pile, signal: open_letters, above: 1, receivers: [ops]}\n", func(d *Deps) {
			d.Logger, d.Registerer = slog.New(slog.NewTextHandler(&log, nil)), registry
			d.Told = func() { told++ }
		})
		time.Sleep(time.Minute + time.Second)
		if rules := e.Rules(); len(rules) != 1 || rules[0].EvaluatedAt != nil || len(rules[0].Values) != 0 {
			t.Errorf("%+v", rules)
		}
		o.change(func() { o.broken = nil })
		time.Sleep(15 * time.Second)
		o.change(func() { o.broken = errors.New("the disk is full") })
		time.Sleep(time.Minute)
		o.change(func() { o.broken = nil })
		time.Sleep(30 * time.Second)
		stop()
		if len(o.sent) != 1 || told != 1 || o.sent[0].Notification.Alerts[0].Value != 5 {
			t.Errorf("told %d times: %+v", told, o.sent)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
			t.Errorf("%d complaints:\n%s", n, log.String())
		}
		at := o.book.EvaluatedAt
		if rules := e.Rules(); len(rules[0].Values) != 1 || rules[0].Values[0].State != dlq.AlertFiring || !rules[0].EvaluatedAt.Equal(*at) {
			t.Errorf("%+v", rules)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
		want := `# HELP dlq_alerts Alerts by state and severity.
# TYPE dlq_alerts gauge
dlq_alerts{severity="critical",state="firing"} 0
dlq_alerts{severity="critical",state="pending"} 0
dlq_alerts{severity="info",state="firing"} 0
dlq_alerts{severity="info",state="pending"} 0
dlq_alerts{severity="warning",state="firing"} 1
dlq_alerts{severity="warning",state="pending"} 0
# HELP dlq_alert_dispatches_total Alerts that a receiver was told of (notified), or not (silenced, held_back).
# TYPE dlq_alert_dispatches_total counter
dlq_alert_dispatches_total{receiver="ops",result="notified"} 1
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "dlq_alerts", "dlq_alert_dispatches_total"); err != nil {
			t.Error(err)
		}
	})
}

// A cluster that is away when the process starts has no name yet; its alert goes on all the same.
func TestClusterAwayAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rules = quick + "alerts:\n- {name: away, signal: broker_unreachable, by: [cluster], receivers: [ops]}\n"
		o := &office{}
		_, _, stop := o.run(t, rules, nil)
		time.Sleep(time.Second)
		stop()
		if len(o.book.Alerts) != 0 {
			t.Fatalf("%+v", o.book.Alerts)
		}
		o.book.Alerts = []dlq.Alert{{ID: instance("away", map[string]string{"cluster": "c"}), Rule: "away", Signal: signalUnreachable, State: dlq.AlertFiring,
			Labels: map[string]string{"cluster": "c"}, Receivers: []string{"ops"}, ActiveSince: o.began, HeldAt: o.began, FiredAt: &o.began}}
		o.away = true
		_, _, stop = o.run(t, rules, nil)
		time.Sleep(time.Minute)
		stop()
		if len(o.book.Alerts) != 1 || o.book.Alerts[0].State != dlq.AlertFiring || len(o.sent) != 1 || o.sent[0].Notification.Alerts[0].Labels["cluster"] != "c" {
			t.Errorf("%+v, sent %+v", o.book.Alerts, o.sent)
		}
	})
}

// Only what a rule asks for is measured, and one question is asked once.
func TestSampleAsksOnce(t *testing.T) {
	asked := map[string]int{}
	e := New(Deps{Signals: counting{asked}, Cluster: counting{asked}, Live: NewLive(LiveOptions{}),
		Stalled:      func() bool { asked["stalled"]++; return true },
		RulesRefused: func() bool { asked["refused"]++; return true },
		Disk:         func() (float64, error) { asked["disk"]++; return 1, nil }})
	rule := func(name, rest string) string { return "- {name: " + name + ", receivers: [], " + rest + "}\n" }
	c := compiled(t, "alerts:\n"+rule("a", "signal: oldest_open_age, above: 1h, by: [topic]")+rule("b", "signal: oldest_open_age, above: 2h, by: [topic]")+
		rule("c", "signal: oldest_open_age, above: 2h, where: {topic: x}, by: [reason]")+rule("d", "signal: disk, above: 1%, off: true")+rule("e", "signal: intake_stalled"))
	s := e.sample(t.Context(), c, noon)
	if diff := cmp.Diff(map[string]int{"letters": 1, "oldest topic": 1, "oldest topic,reason": 1, "topics": 1, "stalled": 1, "status": 1}, asked); diff != "" {
		t.Error(diff)
	}
	if !s.stalled || s.refused {
		t.Errorf("%+v", s)
	}
}

type counting struct{ asked map[string]int }

func (c counting) LetterSignals(context.Context) ([]dlq.LetterSignal, error) {
	c.asked["letters"]++
	return nil, nil
}

func (c counting) ReplaySignals(context.Context) ([]dlq.ReplaySignal, error) {
	c.asked["replays"]++
	return nil, nil
}

func (c counting) OldestOpenBy(_ context.Context, labels []string) ([]dlq.OldestOpen, error) {
	c.asked["oldest "+strings.Join(labels, ",")]++
	return nil, nil
}

func (c counting) Status() dlq.ClusterStatus {
	c.asked["status"]++
	return dlq.ClusterStatus{}
}

func (c counting) Topics(context.Context) ([]dlq.TopicInfo, error) {
	c.asked["topics"]++
	return nil, nil
}
