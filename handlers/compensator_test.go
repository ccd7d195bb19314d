package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
	"deadletteroffice/webhook"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.yaml.in/yaml/v3"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// caller is a Caller made of a function.
type caller func(ctx context.Context, r webhook.Request) (webhook.Response, error)

func (c caller) Call(ctx context.Context, r webhook.Request) (webhook.Response, error) {
	return c(ctx, r)
}

// settleAt makes the compensation "settle" with that URL live.
func settleAt(t *testing.T, url string) *LiveCompensations {
	t.Helper()
	var doc yaml.Node
	text := "compensations:\n  settle: {url: " + url + ", secret: env:SECRET, timeout: 10s, retry: {delay: 30s, backoff: 2, max: 4}}\n"
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	comps, found := CompileCompensations(doc.Content[0], outside.From(func(string) string { return testSecret }))
	for _, d := range found {
		if d.Code != yamlnode.CodeLiteralSecret { // the address has a path
			t.Fatalf("%+v", d)
		}
	}
	live := &LiveCompensations{}
	live.Swap(comps)
	return live
}

// waiting is a letter that waits for a call, and the call.
func waiting(id int64, at time.Time) (dlq.Letter, dlq.Call) {
	return dlq.Letter{ID: id, State: dlq.StateCompensating, Topic: "orders", ConsumerGroup: "pay", Cluster: "c1", DueAt: &at},
		dlq.Call{ID: fmt.Sprintf("call_%d", id), Name: "settle", State: dlq.CallPending, NextAt: &at, CreatedAt: at, ChangedAt: at}
}

// bench is a compensator with a store in a synctest bubble.
func bench(t *testing.T, parallel int, call caller) (*Compensator, *memory, *prometheus.Registry) {
	t.Helper()
	s, reg := newMemory(time.Now), prometheus.NewRegistry()
	return NewCompensator(CompensatorDeps{
		Store: s, Caller: call, Rules: rules{}, Compensations: settleAt(t, "http://shop/settle"), Automation: on, Parallel: parallel, Registerer: reg,
	}), s, reg
}

// runFor runs a compensator for a while of the bubble's time.
func runFor(t *testing.T, c *Compensator, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v", err)
	}
}

// verdictOf answers a request with a verdict.
func verdictOf(r webhook.Request, rest string) (webhook.Response, error) {
	return webhook.Response{Status: 200, Body: []byte(`{"uid":"` + r.ID + `",` + rest + `}`), Address: "10.0.0.9", Duration: 40 * time.Millisecond}, nil
}

func TestCompensatorAsksAndSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []webhook.Request
		c, s, reg := bench(t, 1, func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			asked = append(asked, r)
			return verdictOf(r, `"verdict":"compensated","reason":"paid back","refs":[{"kind":"refund","id":"rf_9"}]`)
		})
		s.add(waiting(1, time.Now()))
		runFor(t, c, time.Minute)
		if len(asked) != 1 {
			t.Fatalf("asked %d times", len(asked))
		}
		r := asked[0]
		if r.URL != "http://shop/settle" || r.ID != "call_1" || r.Receiver != "settle" || len(r.Secrets) != 1 || r.Timeout != 10*time.Second {
			t.Errorf("request %+v", r)
		}
		var q question
		if err := json.Unmarshal(r.Body, &q); err != nil || q.UID != "call_1" || q.Attempt != 1 || q.Type != questionType || string(q.Data.Body.Content) != `{"order":17}` {
			t.Errorf("question %s, %v", r.Body, err)
		}
		l := s.letter(1)
		if l.State != dlq.StateResolved || l.Resolution != dlq.ResolvedCompensated || l.Events[0].Kind != dlq.EventCompensated {
			t.Errorf("letter %s %s, event %+v", l.State, l.Resolution, l.Events[0])
		}
		if got := l.Events[0].Detail; got["answer"] != "compensated" || got["reason"] != "paid back" || got["ref_1"] != "refund rf_9" {
			t.Errorf("event's detail %v", got)
		}
		call := l.Calls[0]
		if call.State != dlq.CallAnswered || call.Verdict != dlq.CallCompensated || call.Attempts != 1 || call.Failures != 0 || call.NextAt != nil {
			t.Errorf("call %+v", call)
		}
		if a := s.attempts; len(a) != 1 || a[0].Status != 200 || a[0].Number != 1 || a[0].CallID != "call_1" || a[0].Address != "10.0.0.9" || !strings.Contains(a[0].Answer, "rf_9") {
			t.Errorf("attempts %+v", a)
		}
		want := "# HELP dlq_decisions_total Decisions about letters by path, what was decided, and who decided (auto, user or webhook).\n" +
			"# TYPE dlq_decisions_total counter\n" + "dlq_decisions_total{handler=\"compensate\",origin=\"webhook\",verdict=\"compensated\"} 1\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "dlq_decisions_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestCompensatorTriesLaterEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		c, s, _ := bench(t, 1, func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			at = append(at, time.Since(begun).Truncate(time.Second))
			return webhook.Response{}, dlq.Errorf(dlq.CodeUnavailable, "nothing listens at http://shop")
		})
		s.add(waiting(1, begun))
		runFor(t, c, time.Hour)
		want := []time.Duration{0, 30 * time.Second, 90 * time.Second, 210 * time.Second}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("asked at %s", diff)
		}
		l := s.letter(1)
		if l.State != dlq.StateOpen || l.Hold != dlq.HoldCompensationUsedUp || l.Calls[0].State != dlq.CallUsedUp || s.calls["call_1"].Failures != 4 {
			t.Errorf("letter %s, hold %s, call %+v", l.State, l.Hold, l.Calls[0])
		}
		if l.Calls[0].Error != "nothing listens at http://shop" || len(s.attempts) != 4 {
			t.Errorf("error %q, %d attempts", l.Calls[0].Error, len(s.attempts))
		}
	})
}

func TestCompensatorGivesUpOnABrokenContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c, s, _ := bench(t, 1, func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			asked++
			return webhook.Response{Status: 200, Body: []byte(`{"ok":true}`)}, nil
		})
		s.add(waiting(1, time.Now()))
		runFor(t, c, time.Hour)
		if l := s.letter(1); asked != maxBroken || l.State != dlq.StateOpen || l.Hold != dlq.HoldCompensationBroken || l.Calls[0].State != dlq.CallBroken {
			t.Errorf("asked %d times; letter %s, hold %s", asked, l.State, l.Hold)
		}
	})
}

// A call that the end of the process cuts off is made again, with the same id, once its lease is over.
func TestCompensatorMakesALostCallAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var ids []string
		dying := true
		c, s, _ := bench(t, 4, func(ctx context.Context, r webhook.Request) (webhook.Response, error) {
			ids = append(ids, r.ID)
			if dying {
				<-ctx.Done()
				return webhook.Response{}, ctx.Err()
			}
			return verdictOf(r, `"verdict":"done"`)
		})
		s.add(waiting(1, begun))
		runFor(t, c, 3*time.Second)
		if call := s.letter(1).Calls[0]; call.State != dlq.CallPending || call.Attempts != 1 || len(s.attempts) != 0 {
			t.Fatalf("after the cut: %+v", call)
		}
		dying = false
		runFor(t, c, 5*time.Second)
		if len(ids) != 1 {
			t.Fatalf("made again within its lease: %v", ids)
		}
		runFor(t, c, time.Minute)
		if diff := cmp.Diff([]string{"call_1", "call_1"}, ids); diff != "" {
			t.Error(diff)
		}
		if l := s.letter(1); l.State != dlq.StateResolved || l.Calls[0].Attempts != 2 {
			t.Errorf("letter %s, call %+v", l.State, l.Calls[0])
		}
	})
}

func TestCompensatorBoundsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		busy, most, about := 0, 0, map[string]int{}
		c, s, _ := bench(t, 3, func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			about[r.ID]++
			mu.Unlock()
			time.Sleep(200 * time.Millisecond)
			mu.Lock()
			busy--
			mu.Unlock()
			return verdictOf(r, `"verdict":"done"`)
		})
		for id := range int64(30) {
			s.add(waiting(id+1, time.Now()))
		}
		runFor(t, c, 3*time.Second) // ten rounds of 200 ms, were there no waiting between them
		if most != 3 || len(about) != 30 {
			t.Errorf("at most %d at once, %d letters asked about", most, len(about))
		}
		for id, n := range about {
			if n != 1 {
				t.Errorf("%s was made %d times", id, n)
			}
		}
		for id := range int64(30) {
			if l := s.letter(id + 1); l.State != dlq.StateResolved {
				t.Errorf("letter %d is %s", id+1, l.State)
			}
		}
	})
}

// A call that is still due in the store when another look finds it is not made twice.
func TestCompensatorHoldsOneCallForALetter(t *testing.T) {
	c, _, _ := bench(t, 2, nil)
	if !c.begin(1) || c.begin(1) || !c.begin(2) || c.begin(3) {
		t.Error("two calls for one letter, or more than two at once")
	}
	c.end(1, true)
	if !c.begin(1) {
		t.Error("the room of a call that ended is lost")
	}
}

// Nothing begins while automation is off or stopped; what is under way ends.
func TestCompensatorIsHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Bool
		asked, isOn := 0, false
		c, s, _ := bench(t, 1, func(_ context.Context, r webhook.Request) (webhook.Response, error) {
			asked++
			stopped.Store(true)
			time.Sleep(2 * time.Second)
			return verdictOf(r, `"verdict":"done"`)
		})
		c.automation = func() dlq.Automation { return dlq.Automation{On: isOn, Stopped: stopped.Load()} }
		s.add(waiting(1, time.Now()))
		s.add(waiting(2, time.Now()))
		runFor(t, c, time.Minute)
		if asked != 0 {
			t.Fatal("asked while off")
		}
		isOn = true
		runFor(t, c, time.Minute)
		if one, two := s.letter(1).State, s.letter(2).State; asked != 1 || one == two || one != dlq.StateResolved && two != dlq.StateResolved {
			t.Errorf("asked %d times; letters %s and %s", asked, one, two)
		}
	})
}

// A verdict that comes when somebody has cancelled is noted and moves nothing.
func TestCompensatorKeepsALateVerdict(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		noted  bool
	}{"refunded": {`"verdict":"compensated","refs":[{"kind":"refund","id":"rf_1"}]`, true}, "nothing usable": {`"verdict":"?"`, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s, _ := bench(t, 1, nil)
				desk := newDesk(s, rules{}, on, c.comps)
				c.caller = caller(func(ctx context.Context, r webhook.Request) (webhook.Response, error) {
					if _, err := desk.Cancel(ctx, dlq.Act{LetterID: 1, Actor: "mei"}); err != nil {
						t.Error(err)
					}
					return verdictOf(r, tt.answer)
				})
				s.add(waiting(1, time.Now()))
				runFor(t, c, time.Minute)
				l := s.letter(1)
				if l.State != dlq.StateOpen || l.Resolution != "" {
					t.Errorf("letter %s %s", l.State, l.Resolution)
				}
				newest := l.Events[0]
				if noted := newest.Kind == dlq.EventCallAnswered && newest.Detail["late"] == "true"; noted != tt.noted {
					t.Errorf("newest event %+v", newest)
				}
				if call := l.Calls[0]; call.NextAt != nil || tt.noted && call.State != dlq.CallAnswered || !tt.noted && call.State != dlq.CallCancelled {
					t.Errorf("call %+v", call)
				}
				if len(s.attempts) != 1 {
					t.Errorf("%d attempts", len(s.attempts))
				}
			})
		})
	}
}

// Somebody's note during the call changes the version, and the verdict is put into effect all the same.
func TestCompensatorBearsOtherChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, _ := bench(t, 1, nil)
		desk := newDesk(s, rules{}, on, c.comps)
		c.caller = caller(func(ctx context.Context, r webhook.Request) (webhook.Response, error) {
			if _, err := desk.Note(ctx, dlq.Act{LetterID: 1, Actor: "mei", Note: "looking"}); err != nil {
				t.Error(err)
			}
			return verdictOf(r, `"verdict":"done"`)
		})
		s.add(waiting(1, time.Now()))
		runFor(t, c, time.Minute)
		if l := s.letter(1); l.State != dlq.StateResolved {
			t.Errorf("letter %s", l.State)
		}
	})
}

func TestCompensatorStopsAskingAnEndpointThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c, s, _ := bench(t, 1, func(context.Context, webhook.Request) (webhook.Response, error) {
			asked++
			return webhook.Response{Status: 410}, nil
		})
		for id := range int64(5) {
			s.add(waiting(id+1, time.Now()))
		}
		runFor(t, c, time.Minute)
		for id := range int64(5) {
			if l := s.letter(id + 1); l.State != dlq.StateOpen || l.Hold != dlq.HoldNoCompensation || l.Calls[0].State != dlq.CallCancelled {
				t.Errorf("letter %d: %s, hold %s, call %s", l.ID, l.State, l.Hold, l.Calls[0].State)
			}
		}
		if asked != 1 || c.comps.Enabled("settle") {
			t.Errorf("asked %d times", asked)
		}
		c.comps.Swap(settleAt(t, "http://shop/settle").value.Load())
		if !c.comps.Enabled("settle") {
			t.Error("still off after the rules were loaded anew")
		}
	})
}

// A call whose compensation left the rules goes to a person; one whose letter went on, nowhere.
func TestCompensatorDropsWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, _ := bench(t, 4, func(context.Context, webhook.Request) (webhook.Response, error) {
			t.Error("asked")
			return webhook.Response{}, nil
		})
		l, call := waiting(1, time.Now())
		call.Name = "no longer there"
		s.add(l, call)
		l, call = waiting(2, time.Now())
		l.State = dlq.StateOpen
		s.add(l, call)
		l, call = waiting(3, time.Now())
		newer := call
		newer.ID, newer.NextAt = "call_3b", ptr(time.Now().Add(time.Hour))
		s.add(l, call, newer)
		_, orphan := waiting(4, time.Now())
		orphan.LetterID = 4
		s.calls[orphan.ID] = orphan
		runFor(t, c, time.Minute)
		if l := s.letter(1); l.State != dlq.StateOpen || l.Hold != dlq.HoldNoCompensation {
			t.Errorf("letter 1: %s, hold %s", l.State, l.Hold)
		}
		if l := s.letter(3); l.State != dlq.StateCompensating {
			t.Errorf("letter 3: %s", l.State)
		}
		for id, want := range map[string]dlq.CallState{"call_1": dlq.CallCancelled, "call_2": dlq.CallCancelled, "call_3": dlq.CallCancelled, "call_3b": dlq.CallPending, "call_4": dlq.CallCancelled} {
			if got := s.calls[id].State; got != want {
				t.Errorf("%s is %s, want %s", id, got, want)
			}
		}
	})
}

// A store that cannot be written: no call is made without being written first, none is made in a circle, and when the
// store works again so does everything.
func TestCompensatorBearsAFullDisk(t *testing.T) {
	for _, op := range []string{"due calls", "detail", "save call", "add attempt", "apply"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, looks, broken := 0, 0, true
				c, s, _ := bench(t, 2, func(_ context.Context, r webhook.Request) (webhook.Response, error) {
					asked++
					return verdictOf(r, `"verdict":"done"`)
				})
				s.fail = func(o string) error {
					if o != op || !broken {
						return nil
					}
					looks++
					return dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
				}
				s.add(waiting(1, time.Now()))
				runFor(t, c, time.Minute)
				if looks == 0 || looks > 61 || asked > 3 {
					t.Errorf("%d tries, %d calls within a minute", looks, asked)
				}
				if (op == "due calls" || op == "detail" || op == "save call") && asked != 0 {
					t.Errorf("%d calls that are written nowhere", asked)
				}
				broken = false
				runFor(t, c, time.Minute)
				if l := s.letter(1); l.State != dlq.StateResolved {
					t.Errorf("letter %s", l.State)
				}
			})
		})
	}
}

// A secret that is gone from its file at the time of the call is a failed attempt, not an unsigned call.
func TestCompensatorMakesNoUnsignedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, _ := bench(t, 1, func(context.Context, webhook.Request) (webhook.Response, error) {
			t.Error("asked")
			return webhook.Response{}, nil
		})
		c.comps.find("settle").lookup = outside.From(func(string) string { return "" })
		s.add(waiting(1, time.Now()))
		runFor(t, c, 10*time.Second)
		if call := s.calls["call_1"]; call.State != dlq.CallPending || call.Failures != 1 || !strings.Contains(call.Error, "SECRET is not set") {
			t.Errorf("call %+v", call)
		}
	})
}
