package operation

import (
	"math"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

func TestMoves(t *testing.T) {
	// The whole table, written once more from what people are told: state, move, states that it may lead to.
	const (
		draft, queued, canary, running = dlq.OperationDraft, dlq.OperationQueued, dlq.OperationCanary, dlq.OperationRunning
		paused, settling, settled      = dlq.OperationPaused, dlq.OperationSettling, dlq.OperationSettled
	)
	want := map[dlq.OperationState]map[move][]dlq.OperationState{
		draft:    {moveStart: {queued}},
		queued:   {moveBegin: {canary, running}, movePause: {paused}, moveEnd: {settling}},
		canary:   {movePass: {running}, movePause: {paused}, moveResume: {running}, moveEnd: {settling}},
		running:  {movePause: {paused}, moveEnd: {settling}},
		paused:   {movePause: {paused}, moveResume: {queued, canary, running}, moveEnd: {settling}},
		settling: {moveSettle: {settled}},
		settled:  {},
	}
	for _, from := range dlq.OperationStates {
		for _, m := range []move{moveStart, moveBegin, movePass, movePause, moveResume, moveEnd, moveSettle} {
			for _, to := range dlq.OperationStates {
				o := dlq.Operation{State: from}
				err := step(&o, m, to)
				allowed := slices.Contains(want[from][m], to)
				switch {
				case allowed && (err != nil || o.State != to):
					t.Errorf("%s: %s to %s: %v", from, m, to, err)
				case !allowed && (dlq.CodeOf(err) != dlq.CodeRefused || o.State != from):
					t.Errorf("%s: %s to %s was not refused: %v", from, m, to, err)
				}
			}
		}
	}
}

func TestMovesLeaveNoTraces(t *testing.T) {
	hold := time.Now()
	o := dlq.Operation{State: dlq.OperationPaused, Cause: dlq.PauseBreaker, Because: map[string]string{"a": "b"}, Resume: dlq.OperationRunning, HoldUntil: &hold}
	if err := step(&o, moveResume, dlq.OperationRunning); err != nil || o.Cause != "" || o.Because != nil || o.Resume != "" || o.HoldUntil != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestWindow(t *testing.T) {
	berlin := "Europe/Berlin"
	at := func(zone, s string) time.Time {
		z, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		out, err := time.ParseInLocation("2006-01-02 15:04:05", s, z)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		from, to, zone string
		now            string // in UTC
		open           bool
		change         string
	}{
		"before":               {"02:00", "05:00", "", "2026-11-21 01:59:59", false, "2026-11-21 02:00:00"},
		"at its begin":         {"02:00", "05:00", "", "2026-11-21 02:00:00", true, "2026-11-21 05:00:00"},
		"within":               {"02:00", "05:00", "", "2026-11-21 04:59:59", true, "2026-11-21 05:00:00"},
		"at its end":           {"02:00", "05:00", "", "2026-11-21 05:00:00", false, "2026-11-22 02:00:00"},
		"before midnight":      {"22:30", "01:15", "", "2026-11-21 23:00:00", true, "2026-11-22 01:15:00"},
		"after midnight":       {"22:30", "01:15", "", "2026-11-22 01:14:00", true, "2026-11-22 01:15:00"},
		"between two nights":   {"22:30", "01:15", "", "2026-11-22 01:15:00", false, "2026-11-22 22:30:00"},
		"to midnight":          {"22:00", "00:00", "", "2026-11-21 23:59:59", true, "2026-11-22 00:00:00"},
		"Shanghai":             {"02:00", "05:00", "Asia/Shanghai", "2026-11-21 17:30:00", false, "2026-11-21 18:00:00"},
		"a quarter of an hour": {"02:00", "05:00", "Asia/Kathmandu", "2026-11-21 20:14:00", false, "2026-11-21 20:15:00"},
		// On 2026-03-29 clocks in Berlin go from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
		"a night that lacks the window's hour":      {"02:00", "03:00", berlin, "2026-03-29 00:30:00", false, "2026-03-30 00:00:00"},
		"a night in which it begins in that hour":   {"02:30", "05:00", berlin, "2026-03-29 00:59:59", false, "2026-03-29 01:00:00"},
		"a night in which it ends in that hour":     {"01:00", "02:30", berlin, "2026-03-29 00:59:59", true, "2026-03-29 01:00:00"},
		"a night that has the window's hour twice":  {"02:00", "03:00", berlin, "2026-10-25 00:30:00", true, "2026-10-25 02:00:00"},
		"a short window, the first time of the two": {"02:15", "02:45", berlin, "2026-10-25 00:20:00", true, "2026-10-25 00:45:00"},
		"a short window, between the two":           {"02:15", "02:45", berlin, "2026-10-25 00:50:00", false, "2026-10-25 01:15:00"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := newWindow(&dlq.ReplayWindow{From: c.from, To: c.to, Zone: c.zone}, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			now := at("UTC", c.now)
			if w.open(now) != c.open {
				t.Errorf("open: %v, want %v", !c.open, c.open)
			}
			if got := w.change(now); !got.Equal(at("UTC", c.change)) {
				t.Errorf("it changes at %s, want %s", got, c.change)
			}
		})
	}
	for _, bad := range []dlq.ReplayWindow{{}, {From: "2:00", To: "05:00"}, {From: "02:00", To: "24:00"}, {From: "02:00", To: "02:00"}, {From: "02:00", To: "05:00", Zone: "Mars/Olympus"}} {
		if _, err := newWindow(&bad, time.UTC); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if w, err := newWindow(nil, time.UTC); w != nil || err != nil {
		t.Errorf("no window: %v, %v", w, err)
	}
}

func TestPace(t *testing.T) {
	p := dlq.Pace{Rate: 100, RampUp: dlq.Duration(10 * time.Second)}
	for since, want := range map[time.Duration]float64{0: 10, 5 * time.Second: 55, 10 * time.Second: 100, time.Hour: 100} {
		if got := limit(p, since); math.Abs(got-want) > 1e-9 {
			t.Errorf("after %s: %g, want %g", since, got, want)
		}
	}
	if got := limit(dlq.Pace{}, time.Hour); got != 0 {
		t.Errorf("no limit: %g", got)
	}
	// What lasts foretells, a bucket that is emptied every 10 ms does.
	for _, letters := range []int64{1, 90, 550, 551, 5000} {
		var b bucket
		now := time.Unix(0, 0)
		b.fill(now, limit(p, 0))
		b.tokens = 0
		sent, took := int64(0), time.Duration(0)
		for ; sent < letters; took += 10 * time.Millisecond {
			b.fill(now.Add(took), limit(p, took))
			n := min(math.Floor(b.tokens), float64(letters-sent))
			b.tokens -= n
			sent += int64(n)
		}
		if want := lasts(p, letters); (took - want).Abs() > 50*time.Millisecond+want/50 {
			t.Errorf("%d letters took %s, foretold %s", letters, took, want)
		}
	}
}

func TestBucketAfterAPause(t *testing.T) {
	var b bucket
	now := time.Unix(0, 0)
	if b.fill(now, 20); b.wait(1, 20) != 0 {
		t.Error("the first letter has to wait")
	}
	b.tokens = 0
	if w := b.wait(5, 20); w < 250*time.Millisecond || w > 251*time.Millisecond {
		t.Errorf("five letters wait %s", w)
	}
	if b.fill(now.Add(time.Hour), 20); b.tokens != 20 {
		t.Errorf("after an hour %g letters may go at once, want a second's worth", b.tokens)
	}
	if b.fill(now.Add(2*time.Hour), 0.01); b.tokens != 1 {
		t.Errorf("at a slow pace %g may go at once, want one", b.tokens)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	start := time.Unix(1000, 0)
	if m.rate(start) != 0 {
		t.Error("nothing was counted")
	}
	for i := range 30 {
		m.add(start.Add(time.Duration(i)*time.Second), 50)
	}
	if got := m.rate(start.Add(29*time.Second + 500*time.Millisecond)); got != 50 {
		t.Errorf("%g letters per second, want 50", got)
	}
	if got := m.rate(start.Add(60 * time.Second)); got != 0 {
		t.Errorf("%g letters per second half a minute later", got)
	}
}
