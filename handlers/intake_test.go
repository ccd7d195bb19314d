package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// intakeStore is an IntakeStore made of functions.
type intakeStore struct {
	known func([]dlq.DeadMessage) ([]dlq.Known, error)
	admit func([]dlq.AdmitBatch) <-chan error
}

func (s intakeStore) QueuePosition(_ context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	return dlq.QueuePosition{Queue: q, Next: 7}, true, nil
}
func (s intakeStore) Known(_ context.Context, m []dlq.DeadMessage) ([]dlq.Known, error) {
	return s.known(m)
}
func (s intakeStore) Admit(_ context.Context, b []dlq.AdmitBatch) <-chan error { return s.admit(b) }

// nothingKnown is what a new store knows.
func nothingKnown(m []dlq.DeadMessage) ([]dlq.Known, error) { return make([]dlq.Known, len(m)), nil }

// at once is a commit that is over already.
func atOnce(err error) <-chan error {
	c := make(chan error, 1)
	c <- err
	return c
}

func newIntake(s IntakeStore, r Judge, reg prometheus.Registerer) *Intake {
	return NewIntake(IntakeDeps{Store: s, Rules: r, Automation: on, Policy: policy, Compensations: &LiveCompensations{}, Now: atNoon, Registerer: reg})
}

var queue = dlq.Queue{Cluster: "c1", Broker: "b1", Topic: "%DLQ%pay", Number: 0}

func dead(offset int64) dlq.DeadMessage {
	return dlq.DeadMessage{Position: dlq.Position{Queue: queue, Offset: offset, StoredAt: noon.Add(-time.Minute)}, ConsumerGroup: "pay", OriginalTopic: "orders"}
}

func TestIntakeJudgesAndPlans(t *testing.T) {
	var got []dlq.AdmitBatch
	var judged []dlq.Judgement
	replay, report := &dlq.Replay{ID: "r1"}, &dlq.Report{Reason: "payment_timeout"}
	known := []dlq.Known{
		{ReportsSeen: 5},
		{Letter: &dlq.Letter{ID: 9, Deaths: 2, Replays: 1}, Replay: replay, ReportsSeen: 5},
		{Letter: &dlq.Letter{ID: 9, Deaths: 2, Replays: 1}, Replay: replay, ReportsSeen: 5},
		{Foreign: true, Report: report, ReportsSeen: 5},
	}
	r := rules{func(m *dlq.DeadMessage, report *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
		judged = append(judged, j)
		facts := dlq.Facts{Reason: dlq.ReasonUnknown, Origin: dlq.OriginUnknown, Topic: m.OriginalTopic}
		if report != nil {
			facts.Reason, facts.Origin = report.Reason, dlq.OriginReport
		}
		return facts, dlq.Verdict{Rule: "again", Route: dlq.RouteRetry, Retry: &dlq.RetryPlan{Delay: dlq.Duration(time.Minute), Backoff: 2, Max: 3}}
	}}
	reg := prometheus.NewRegistry()
	i := newIntake(intakeStore{
		func(m []dlq.DeadMessage) ([]dlq.Known, error) { return known[:len(m)], nil },
		func(b []dlq.AdmitBatch) <-chan error { got = b; return atOnce(nil) },
	}, r, reg)
	gap := &dlq.Gap{Queue: queue, Kind: dlq.GapExpired, From: 0, To: 3}
	batch := dlq.Batch{Queue: queue, Epoch: 2, From: 0, Next: 7, Gap: gap, Messages: []dlq.DeadMessage{dead(3), dead(4), dead(5), dead(6)}}
	empty := dlq.Batch{Queue: queue, Epoch: 2, From: 7, Next: 9}
	if err := <-i.Accept(t.Context(), []dlq.Batch{batch, empty}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0].Arrivals) != 4 || got[0].Gap != gap || got[0].From != 0 || got[0].Next != 7 || got[0].Epoch != 2 || got[1].From != 7 || got[1].Next != 9 || len(got[1].Arrivals) != 0 {
		t.Fatalf("batches %+v", got)
	}
	if diff := cmp.Diff([]dlq.Judgement{{Now: noon, Deaths: 1}, {Now: noon, Deaths: 3, Replays: 1}, {Now: noon, Deaths: 4, Replays: 1}, {Now: noon, Deaths: 1}}, judged); diff != "" {
		t.Error(diff)
	}
	a := got[0].Arrivals
	for n := range a {
		if a[n].Message.Offset != int64(3+n) || a[n].ReportsSeen != 5 {
			t.Errorf("arrival %d is offset %d, reports seen %d", n, a[n].Message.Offset, a[n].ReportsSeen)
		}
	}
	if a[0].Join != nil || a[0].Foreign || a[0].Plan.Hold != dlq.HoldNoReason {
		t.Errorf("a first death: %+v", a[0])
	}
	if diff := cmp.Diff(&dlq.Join{LetterID: 9, ReplayID: "r1"}, a[1].Join); diff != "" {
		t.Error(diff)
	}
	if !a[3].Foreign || a[3].Plan.State != dlq.StateScheduled || !a[3].Plan.DueAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("a foreign replay with a report: %+v", a[3])
	}
	if !i.Foreign() {
		t.Error("nobody learns of the other console")
	}
	want := `# HELP dlq_messages_ingested_total Dead messages read into the store; replayed says whether it was a replay that died.
# TYPE dlq_messages_ingested_total counter
dlq_messages_ingested_total{cluster="c1",consumer_group="pay",replayed="false"} 2
dlq_messages_ingested_total{cluster="c1",consumer_group="pay",replayed="true"} 2
# HELP dlq_unclassified_total Dead messages of which nobody says why they died.
# TYPE dlq_unclassified_total counter
dlq_unclassified_total{cluster="c1",consumer_group="pay"} 3
# HELP dlq_classifications_total Dead messages by the rule that judged them and the reason that was found.
# TYPE dlq_classifications_total counter
dlq_classifications_total{reason="payment_timeout",rule="again"} 1
dlq_classifications_total{reason="unknown",rule="again"} 3
# HELP dlq_decisions_total Decisions about letters by path, what was decided, and who decided (auto, user or webhook).
# TYPE dlq_decisions_total counter
dlq_decisions_total{handler="retry",origin="auto",verdict="open"} 3
dlq_decisions_total{handler="retry",origin="auto",verdict="scheduled"} 1
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want), "dlq_messages_ingested_total", "dlq_unclassified_total", "dlq_classifications_total", "dlq_decisions_total")
	if err != nil {
		t.Error(err)
	}
	if pos, ok, err := i.Position(t.Context(), queue); pos.Next != 7 || !ok || err != nil {
		t.Errorf("position %+v", pos)
	}
}

// Accept returns before the store has stored.
func TestIntakeDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commit := make(chan error, 1)
		i := newIntake(intakeStore{nothingKnown, func([]dlq.AdmitBatch) <-chan error { return commit }}, retryRules(), nil)
		done := i.Accept(t.Context(), []dlq.Batch{{Queue: queue, Messages: []dlq.DeadMessage{dead(0)}}})
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("done before the commit: %v", err)
		default:
		}
		commit <- nil
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done = i.Accept(ctx, []dlq.Batch{{Queue: queue}})
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
		if _, stalled := i.Stalled(); stalled {
			t.Error("the end of the process counts as a stall")
		}
	})
}

func TestIntakeTellsWhatFails(t *testing.T) {
	full := dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
	moved := dlq.Errorf(dlq.CodeConflict, "another position")
	var known, admit error
	short := false
	reg := prometheus.NewRegistry()
	i := newIntake(intakeStore{
		func(m []dlq.DeadMessage) ([]dlq.Known, error) {
			if short {
				return nil, nil
			}
			k, _ := nothingKnown(m)
			return k, known
		},
		func([]dlq.AdmitBatch) <-chan error { return atOnce(admit) },
	}, retryRules(), reg)
	accept := func() error {
		return <-i.Accept(t.Context(), []dlq.Batch{{Queue: queue, Messages: []dlq.DeadMessage{dead(0)}}})
	}
	for name, tt := range map[string]struct {
		known, admit error
		short        bool
		code         dlq.Code
		stalled      bool
	}{
		"the look-up fails":    {known: full, code: dlq.CodeUnavailable, stalled: true},
		"the commit fails":     {admit: full, code: dlq.CodeUnavailable, stalled: true},
		"the look-up is short": {short: true, code: dlq.CodeInternal, stalled: true},
		"another position":     {admit: moved, code: dlq.CodeConflict},
	} {
		known, admit, short = tt.known, tt.admit, tt.short
		if err := accept(); dlq.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
		if since, stalled := i.Stalled(); stalled != tt.stalled || stalled && !since.Equal(noon) {
			t.Errorf("%s: stalled %v since %s", name, stalled, since)
		}
		known, admit, short = nil, nil, false
		if err := accept(); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
		if _, stalled := i.Stalled(); stalled {
			t.Errorf("after %s: still stalled", name)
		}
	}
	if n, err := testutil.GatherAndCount(reg, "dlq_messages_ingested_total"); n != 1 || err != nil {
		t.Errorf("%d series", n)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// Labels whose values others choose are bounded.
func TestLabelsAreCapped(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	for n := range 2000 {
		a := dlq.Arrival{Message: dead(0), Facts: dlq.Facts{Reason: fmt.Sprint("reason ", n)}}
		a.Message.ConsumerGroup = fmt.Sprint("group ", n)
		m.arrived(&a)
	}
	for name, most := range map[string]int{"dlq_messages_ingested_total": maxGroups + 1, "dlq_classifications_total": maxReasons + 1} {
		if n, err := testutil.GatherAndCount(reg, name); n != most || err != nil {
			t.Errorf("%s has %d series, want %d", name, n, most)
		}
	}
	if again := newMetrics(reg); again.ingested != m.ingested || again.duration != m.duration {
		t.Error("two parts of the package count apart")
	}
}

// What belongs to a letter that is there already is judged when all before it is stored; the rest need not wait.
func TestIntakeCountsTheDeathsOfBatchesBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letter := dlq.Letter{ID: 9, Deaths: 1}
		var commits []chan error
		var judged []dlq.Judgement
		judge := rules{func(_ *dlq.DeadMessage, _ *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
			judged = append(judged, j)
			return dlq.Facts{}, dlq.Verdict{Route: dlq.RouteManual}
		}}
		i := newIntake(intakeStore{func(m []dlq.DeadMessage) ([]dlq.Known, error) {
			known := make([]dlq.Known, len(m))
			for n := range m {
				if m[n].Offset > 0 {
					now := letter
					known[n].Letter, known[n].Replay = &now, &dlq.Replay{ID: "r1"}
				}
			}
			return known, nil
		}, func([]dlq.AdmitBatch) <-chan error {
			commits = append(commits, make(chan error, 1))
			return commits[len(commits)-1]
		}}, judge, nil)
		first := i.Accept(t.Context(), []dlq.Batch{{Queue: queue, Messages: []dlq.DeadMessage{dead(0)}}})
		second := i.Accept(t.Context(), []dlq.Batch{{Queue: queue, Messages: []dlq.DeadMessage{dead(0)}}})
		if len(commits) != 2 {
			t.Fatalf("%d commits were begun before the first had ended, want 2", len(commits))
		}
		var third <-chan error
		go func() {
			third = i.Accept(t.Context(), []dlq.Batch{{Queue: queue, Messages: []dlq.DeadMessage{dead(1)}}})
		}()
		synctest.Wait()
		if len(commits) != 2 {
			t.Fatal("a letter's next death was handed to the store before the batches in front of it were stored")
		}
		letter.Deaths = 2
		commits[0] <- nil
		commits[1] <- nil
		synctest.Wait()
		commits[2] <- nil
		for n, done := range []<-chan error{first, second, third} {
			if err := <-done; err != nil {
				t.Errorf("batch %d: %v", n, err)
			}
		}
		if last := judged[len(judged)-1]; last.Deaths != 3 {
			t.Errorf("judged as death %d of the letter, want 3", last.Deaths)
		}
	})
}
