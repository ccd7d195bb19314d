package ui

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// operationStub keeps operations in memory and sends nothing.
type operationStub struct {
	world *stub // writes down what was done
	mu    sync.Mutex
	all   []dlq.Operation
	picks []dlq.OperationPick

	filter dlq.OperationFilter // that was asked for last
	states []dlq.ItemState
	fail   error // of every act
}

// draft is an operation with something in every field.
func draft(o dlq.Operation, pick dlq.OperationPick) dlq.Operation {
	later := noon.Add(time.Minute)
	o.Version, o.State, o.CreatedAt, o.ChangedAt = 1, dlq.OperationDraft, noon, noon
	o.Letters, o.Counts = int64(len(pick.IDs)), map[dlq.ItemState]int64{}
	for _, s := range dlq.ItemStates {
		o.Counts[s] = 0
	}
	o.Counts[dlq.ItemPending] = o.Letters
	o.Preview = &dlq.OperationPreview{At: noon, Letters: o.Letters, Eligible: o.Letters, OldestDied: &noon, NewestDied: &later,
		Doors:     []dlq.DoorPreview{{ConsumerGroup: "pay-service", Door: dlq.DoorRetry, Why: "only_this_group"}, {ConsumerGroup: "stock", Why: "grpc_fifo"}},
		Consumers: []dlq.ConsumerPreview{{Letters: 1, Group: dlq.GroupInfo{Name: "pay-service", Kind: dlq.GroupConcurrent}}},
		Causes:    []dlq.CausePreview{{Fingerprint: "00112233aabbccdd", Reason: "network_timeout", Letters: 1}},
		Samples:   []dlq.TransformSample{{LetterID: 41, Title: "PAY-42", Before: "{}", After: "{}"}}}
	o.Drift = &dlq.OperationDrift{At: noon, Arrived: dlq.Count{Count: 3, Exact: true}}
	return o
}

func (s *operationStub) find(id string) (int, error) {
	i := slices.IndexFunc(s.all, func(o dlq.Operation) bool { return o.ID == id || strconv.FormatInt(o.Number, 10) == id })
	if i < 0 {
		return 0, dlq.Errorf(dlq.CodeNotFound, "there is no operation %q", id)
	}
	return i, nil
}

func (s *operationStub) Create(_ context.Context, o dlq.Operation, pick dlq.OperationPick) (dlq.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return o, s.fail
	}
	if i, err := s.find(o.ID); err == nil {
		if s.all[i].Actor != o.Actor {
			return o, dlq.Errorf(dlq.CodeConflict, "the id is taken")
		}
		return s.all[i], nil
	}
	o.Number = int64(len(s.all) + 1)
	if o.ID == "" {
		o.ID = "made"
	}
	s.all, s.picks = append(s.all, draft(o, pick)), append(s.picks, pick)
	return s.all[len(s.all)-1], nil
}

// change does an act as the manager would: it checks the version and raises it.
func (s *operationStub) change(id string, version int64, f func(*dlq.Operation), words ...any) (dlq.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(id)
	switch {
	case err != nil:
		return dlq.Operation{}, err
	case s.fail != nil:
		return dlq.Operation{}, s.fail
	case version != 0 && version != s.all[i].Version:
		return dlq.Operation{}, dlq.Errorf(dlq.CodeConflict, "operation %d was changed in between", s.all[i].Number)
	}
	s.world.note(fmt.Sprint(words...))
	s.all[i].Version++
	f(&s.all[i])
	return s.all[i], nil
}

func (s *operationStub) Change(_ context.Context, id string, version int64, spec dlq.OperationSpec, note, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(o *dlq.Operation) { o.Spec, o.Note = spec, note }, "change: ", note, " by ", actor)
}

func (s *operationStub) Refresh(_ context.Context, id string, version int64, add bool, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(*dlq.Operation) {}, "refresh: ", add, " by ", actor)
}

func (s *operationStub) Start(_ context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(o *dlq.Operation) { o.State, o.HoldUntil = dlq.OperationQueued, &noon }, "start: ", note, " by ", actor)
}

func (s *operationStub) Pause(_ context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(o *dlq.Operation) { o.State, o.Cause = dlq.OperationPaused, dlq.PauseByHand }, "pause: ", note, " by ", actor)
}

func (s *operationStub) Resume(_ context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(o *dlq.Operation) { o.State, o.WaitsFor = dlq.OperationRunning, "broker_away" }, "resume: ", note, " by ", actor)
}

func (s *operationStub) Cancel(_ context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(o *dlq.Operation) { o.State, o.End = dlq.OperationSettled, dlq.EndCancelled }, "cancel: ", note, " by ", actor)
}

func (s *operationStub) Skip(_ context.Context, id string, version int64, cause, note, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(*dlq.Operation) {}, "skip ", cause, ": ", note, " by ", actor)
}

func (s *operationStub) SetPace(_ context.Context, id string, version int64, p dlq.Pace, actor string) (dlq.Operation, error) {
	return s.change(id, version, func(o *dlq.Operation) { o.Spec.Pace = p }, "pace: ", p.Rate, " by ", actor)
}

func (s *operationStub) Get(_ context.Context, id string) (dlq.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(id)
	if err != nil {
		return dlq.Operation{}, err
	}
	return s.all[i], nil
}

func (s *operationStub) Operation(ctx context.Context, id string) (dlq.Operation, error) {
	return s.Get(ctx, id)
}

func (s *operationStub) List(_ context.Context, f dlq.OperationFilter, _ string, _ int) (dlq.OperationPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter = f
	return dlq.OperationPage{Items: s.all, Next: "n", Total: dlq.Count{Count: int64(len(s.all)), Exact: true}}, nil
}

func (s *operationStub) Items(_ context.Context, number int64, states []dlq.ItemState, _ string, _ int) (dlq.ItemPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = states
	l := letter(41)
	return dlq.ItemPage{Items: []dlq.OperationItem{{LetterID: 41, State: dlq.ItemPending, Letter: &l},
		{LetterID: 99, Position: 1, State: dlq.ItemSkipped, Detail: dlq.SkipGone, ChangedAt: &noon}}, Total: dlq.Count{Count: 2, Exact: true}}, nil
}

func (s *operationStub) History(context.Context, int64) (dlq.Duration, []dlq.OperationPoint, error) {
	return dlq.Duration(5 * time.Second), []dlq.OperationPoint{{At: noon, Counts: map[dlq.ItemState]int64{dlq.ItemWaiting: 7}}}, nil
}

func (s *operationStub) OperationEvents(context.Context, int64, int) ([]dlq.OperationEvent, error) {
	return []dlq.OperationEvent{{ID: 5, At: noon, Kind: "created", Actor: "local", Detail: map[string]string{"letters": "2"}}}, nil
}

func (s *stub) Editable(ctx context.Context, id int64, charset string) (dlq.Editable, error) {
	l, err := s.Letter(ctx, id)
	return dlq.Editable{LetterID: id, Version: l.Version, Deaths: l.Deaths, Body: []byte("{}"),
		Properties: []dlq.EditableProperty{{Name: "UNIQ_KEY", Value: "K", Locked: true}}}, err
}

func (s *stub) Edit(_ context.Context, e dlq.Edit, version int64) (dlq.Edit, dlq.Letter, error) {
	l, err := s.one("edit", dlq.Act{LetterID: e.LetterID, Version: version, Actor: e.Author,
		Note: fmt.Sprintf("%s base %d body %s set %v remove %v", e.Note, e.Base, e.Body, e.Set, e.Remove)})
	e.Number, e.Deaths, e.At = 1, 1, noon
	return e, l, err
}

func (s *stub) Probe(_ context.Context, r dlq.ProbeRequest) (dlq.Probe, dlq.Letter, error) {
	l, err := s.one("probe", dlq.Act{LetterID: r.LetterID, Version: r.Version, Actor: r.Actor, Note: r.ClientID + " " + r.Note})
	return dlq.Probe{LetterID: r.LetterID, At: noon, Actor: r.Actor, ClientID: "c1", Verdict: dlq.ProbeException, Text: "boom", Trusted: true}, l, err
}

func (s *stub) Unquarantine(_ context.Context, a dlq.Act) (dlq.Letter, error) {
	return s.one("unquarantine", a)
}

func TestLettersAreEditedAndProbed(t *testing.T) {
	for _, sc := range []scenario{
		{name: "options for another topic", url: "/letters/41/replay-options?target_kind=other_topic&target_name=orders-2", done: "options other_topic orders-2"},
		{name: "options for nobody", url: "/letters/41/replay-options?target_kind=other_topic", status: 400, must: []string{"name of the target is missing"}},
		{name: "options for a name alone", url: "/letters/41/replay-options?target_name=x", status: 400, must: []string{"needs a kind"}},
		{name: "options for a misspelt kind", url: "/letters/41/replay-options?target_kind=othertopic&target_name=x", status: 400, must: []string{`did you mean \"other_topic\"?`}},
		{name: "replay of an edit to another group", with: func(s *stub) {
			s.replay = func(r dlq.ReplayRequest) error {
				if r.Edit != 2 || r.Target != (dlq.Target{Kind: dlq.TargetOtherGroup, Name: "audit"}) {
					return fmt.Errorf("%+v", r)
				}
				return nil
			}
		}, method: "POST", url: "/letters/41/replay", body: `{"version":3,"edit":2,"target":{"kind":"other_group","name":"audit"}}`, done: "replay local  "},
		{name: "replay of no edit", method: "POST", url: "/letters/41/replay", body: `{"version":3,"edit":-1}`, status: 400},
		{name: "replay to a group without a name", method: "POST", url: "/letters/41/replay", body: `{"version":3,"target":{"kind":"other_group"}}`, status: 400},

		{name: "editable", url: "/letters/41/edits", must: []string{`"body":"e30="`, `"locked":true`, `"edits":[]`}},
		{name: "edit", method: "POST", url: "/letters/41/edits", body: `{"version":3,"base":1,"note":"cents","body":"eyJhIjoxfQ==","set":{"currency":"EUR"},"remove":["trace"]}`,
			must: []string{`"edit":{"letter_id":"41","number":1,"base":1`, `"body":"eyJhIjoxfQ=="`, `"letter":{"id":"41","version":4`},
			done: `edit local cents base 1 body {"a":1} set map[currency:EUR] remove [trace] `},
		{name: "edit to nothing", method: "POST", url: "/letters/41/edits", body: `{"version":3,"note":"n","body":""}`, done: "edit local n base 0 body  set map[] remove [] "},
		{name: "edit without a body", method: "POST", url: "/letters/41/edits", body: `{"version":3,"note":"n"}`, status: 400, must: []string{`\"body\" is missing`}},
		{name: "edit without a note", method: "POST", url: "/letters/41/edits", body: `{"version":3,"body":""}`, status: 400},
		{name: "edit in plain text", method: "POST", url: "/letters/41/edits", body: `{"version":3,"note":"n","body":"{secret}"}`, status: 400, must: []string{"not bytes in base64"}, mustNot: []string{"secret"}},
		{name: "edit with a number for a property", method: "POST", url: "/letters/41/edits", body: `{"version":3,"note":"n","body":"","set":{"a":1}}`, status: 400, must: []string{"not an object of texts"}},
		{name: "another editor was quicker", method: "POST", url: "/letters/41/edits", body: `{"version":2,"note":"n","body":""}`, status: 409, must: []string{`"letter":{"id":"41","version":3`}},

		{name: "probe", method: "POST", url: "/letters/41/probe", body: `{"version":3,"client_id":"c1","note":"why?"}`,
			must: []string{`"probe":{"letter_id":"41"`, `"verdict":"exception"`, `"letter":{"id":"41","version":4`}, done: "probe local c1 why? "},
		{name: "probe without a version", method: "POST", url: "/letters/41/probe", body: `{}`, status: 400},
		{name: "probe some", method: "POST", url: "/letters/actions", body: `{"action":"probe","ids":["41","99","42"]}`,
			must: []string{`"probe":{"letter_id":"41"`, `"there is no letter 99"`, `"probe":{"letter_id":"42"`}, done: "probe local   ; probe local   "},
		{name: "probe too many", method: "POST", url: "/letters/actions", body: `{"action":"probe","ids":[` + manyIDs(21) + `]}`, status: 400, must: []string{"takes 20"}},
		{name: "probe some while stopped", with: func(s *stub) { s.switched.Stopped = true }, method: "POST", url: "/letters/actions", body: `{"action":"probe","ids":["41"]}`, status: 422},
		{name: "unquarantine", method: "POST", url: "/letters/41/unquarantine", body: `{"version":3,"note":"mended"}`, done: "unquarantine local mended "},
		{name: "unquarantine without a note", method: "POST", url: "/letters/41/unquarantine", body: `{"version":3}`, status: 400},
		{name: "unquarantine some", method: "POST", url: "/letters/actions", body: `{"action":"unquarantine","ids":["41"],"note":"mended"}`, done: "unquarantine local mended "},

		{name: "resolve after a probe", with: func(s *stub) {
			s.act = func(_ string, a dlq.Act) error {
				if a.Resolution != dlq.ResolvedConfirmed {
					return fmt.Errorf("resolution %q", a.Resolution)
				}
				return nil
			}
		}, method: "POST", url: "/letters/41/resolve", body: `{"version":3,"resolution":"confirmed"}`, done: "resolve local  "},
		{name: "resolve by hand", with: func(s *stub) {
			s.act = func(_ string, a dlq.Act) error {
				if a.Resolution != dlq.ResolvedByHand {
					return fmt.Errorf("resolution %q", a.Resolution)
				}
				return nil
			}
		}, method: "POST", url: "/letters/41/resolve", body: `{"version":3,"note":"ran","resolution":"by_hand"}`, done: "resolve local ran "},
		{name: "resolve by hand without a note", method: "POST", url: "/letters/41/resolve", body: `{"version":3,"resolution":"by_hand"}`, status: 400},
		{name: "resolve as assumed", method: "POST", url: "/letters/41/resolve", body: `{"version":3,"note":"ran","resolution":"assumed"}`, status: 400},
	} {
		t.Run(sc.name, sc.run)
	}
}

// withDraft puts operation 1, called "first", into the house.
func withDraft(s *stub) {
	o, err := s.operations.Create(context.Background(), dlq.Operation{ID: "first", Kind: dlq.OperationReplay, Note: "why", Actor: "local",
		Query: "tab=attention", Spec: dlq.OperationSpec{Replay: &dlq.ReplaySpec{}, Window: &dlq.ReplayWindow{From: "02:00", To: "05:00"}}},
		dlq.OperationPick{IDs: []int64{41, 42}})
	if err != nil || o.Number != 1 {
		panic(err)
	}
}

func TestOperations(t *testing.T) {
	for _, sc := range []scenario{
		{name: "none", url: "/operations", must: []string{`"items":[]`}},
		{name: "list", with: withDraft, url: "/operations?state=draft&state=paused&kind=replay&actor=local&cursor=c&limit=10",
			must: []string{`"id":"first","number":1`, `"counts":{`, `"pending":2`, `"next":"n"`, `"preview":{`}},
		{name: "a misspelt state", url: "/operations?state=pasued", status: 400, must: []string{`did you mean \"paused\"?`}},
		{name: "a misspelt kind", url: "/operations?kind=repaly", status: 400, must: []string{`did you mean \"replay\"?`}},
		{name: "one by its id", with: withDraft, url: "/operations/first", must: []string{`"number":1`, `"skipped":{}`, `"receivers":[]`, `"drift":{`}, mustNot: []string{"null"}},
		{name: "one by its number", with: withDraft, url: "/operations/1", must: []string{`"id":"first"`}},
		{name: "no such operation", url: "/operations/9", status: 404, must: []string{`"code":"not_found"`}},
		{name: "items", with: withDraft, url: "/operations/1/items?state=pending&state=skipped&limit=200", must: []string{`"letter_id":"41"`, `"detail":"gone"`, `"position":1`}},
		{name: "items of no state", with: withDraft, url: "/operations/1/items?state=confirmd", status: 400, must: []string{`did you mean \"confirmed\"?`}},
		{name: "items of nothing", url: "/operations/1/items", status: 404},
		{name: "history", with: withDraft, url: "/operations/first/history", must: []string{`{"slot":"5s","points":[{"at":"2026-11-21T12:00:00Z","counts":{"waiting":7}}]}`}},
		{name: "history of nothing", url: "/operations/1/history", status: 404},
		{name: "log", with: withDraft, url: "/operations/first/log?limit=500", must: []string{`"items":[{"id":"5"`, `"kind":"created"`}},
		{name: "log of nothing", url: "/operations/1/log", status: 404},

		{name: "change", with: withDraft, method: "PUT", url: "/operations/first", body: `{"version":1,"note":"slower","spec":{"replay":{"target":{"kind":"topic"}},"pace":{"rate":2.5,"ramp_up":"30s","concurrency":4}}}`,
			must: []string{`"rate":2.5`, `"ramp_up":"30s"`, `"version":2`}, done: "change: slower by local"},
		{name: "change nothing", with: withDraft, method: "PUT", url: "/operations/first", body: `{"version":1}`, status: 400, must: []string{`\"spec\" is missing`}},
		{name: "change without a version", with: withDraft, method: "PUT", url: "/operations/first", body: `{"spec":{}}`, status: 400},
		{name: "somebody else changed it", with: withDraft, method: "PUT", url: "/operations/1", body: `{"version":7,"spec":{}}`, status: 409,
			must: []string{`"code":"conflict"`, `"operation":{"id":"first","number":1,"version":1`}},
		{name: "refresh", with: withDraft, method: "POST", url: "/operations/1/refresh", body: `{"version":1,"add":true}`, done: "refresh: true by local"},
		{name: "refresh without a version", with: withDraft, method: "POST", url: "/operations/1/refresh", body: `{}`, status: 400},
		{name: "start", with: withDraft, method: "POST", url: "/operations/first/start", body: `{"version":1,"note":" it is back "}`,
			must: []string{`"state":"queued"`, `"hold_until":"2026-11-21T12:00:00Z"`}, done: "start: it is back by local"},
		{name: "start what was not looked at", with: withDraft, method: "POST", url: "/operations/first/start", body: `{"note":"n"}`, status: 400, must: []string{`\"version\" is missing`}},
		{name: "start what has changed", with: withDraft, method: "POST", url: "/operations/first/start", body: `{"version":9,"note":"n"}`, status: 409, must: []string{`"operation":{`}},
		{name: "start without a note", with: withDraft, method: "POST", url: "/operations/first/start", body: `{"version":1,"note":" "}`, status: 400, must: []string{`\"note\" is missing`}},
		{name: "start while stopped", with: func(s *stub) {
			withDraft(s)
			s.operations.fail = dlq.Errorf(dlq.CodeRefused, "the global stop is on")
		}, method: "POST", url: "/operations/first/start", body: `{"version":1,"note":"n"}`, status: 422, must: []string{"global stop"}},
		{name: "pause", with: withDraft, method: "POST", url: "/operations/first/pause", body: `{}`, must: []string{`"cause":"by_hand"`}, done: "pause:  by local"},
		{name: "resume", with: withDraft, method: "POST", url: "/operations/first/resume", body: `{"note":"mended"}`, must: []string{`"waits_for":"broker_away"`}, done: "resume: mended by local"},
		{name: "cancel", with: withDraft, method: "POST", url: "/operations/first/cancel", body: `{"version":1}`, must: []string{`"end":"cancelled"`}, done: "cancel:  by local"},
		{name: "cancel with a negative version", with: withDraft, method: "POST", url: "/operations/first/cancel", body: `{"version":-1}`, status: 400},
		{name: "pace", with: withDraft, method: "POST", url: "/operations/first/pace", body: `{"pace":{"rate":5}}`, must: []string{`"rate":5`}, done: "pace: 5 by local"},
		{name: "no pace", with: withDraft, method: "POST", url: "/operations/first/pace", body: `{}`, status: 400, must: []string{`\"pace\" is missing`}},
		{name: "a pace in words", with: withDraft, method: "POST", url: "/operations/first/pace", body: `{"pace":{"rate":"fast"}}`, status: 400, must: []string{"is not a number"}},
		{name: "concurrency by halves", with: withDraft, method: "POST", url: "/operations/first/pace", body: `{"pace":{"concurrency":1.5}}`, status: 400, must: []string{"is not a whole number"}},
	} {
		t.Run(sc.name, sc.run)
	}
}

// An operation is drafted from the query of the list, or from a selection, and once for each id.
func TestOperationsAreDrafted(t *testing.T) {
	a := newAPI(t, nil)
	const url = apiBase + "/operations"
	const body = `{"id":"pay-21","kind":"replay","note":"it is back","query":"?tab=attention&reason=network_timeout&q=%E8%AE%A2%E5%8D%95","except":["42"],
		"spec":{"replay":{"delay":"10s","keep_order":true,"transform":[{"do":"set","path":"/a","value":"1"}]},"pace":{"rate":20},"canary":{"letters":1,"percent":0.5},
		"brake":{"of":20,"above":50},"window":{"from":"02:00","to":"05:00"},"hold":"10s"}}`
	first := a.call("POST", url, body)
	again := a.call("POST", url, body)
	if first.Code != 201 || again.Code != 200 || first.Body.String() != again.Body.String() {
		t.Errorf("%d %s\n%d %s", first.Code, first.Body, again.Code, again.Body)
	}
	want := dlq.OperationPick{Filter: &dlq.Filter{Tab: dlq.TabAttention, Reasons: []string{"network_timeout"}, Query: "订单"}, Except: []int64{42}}
	if diff := cmp.Diff([]dlq.OperationPick{want}, a.stub.operations.picks); diff != "" {
		t.Error(diff)
	}
	o := a.stub.operations.all[0]
	if o.Query != "tab=attention&reason=network_timeout&q=%E8%AE%A2%E5%8D%95" || o.Actor != "local" || o.Spec.Window.To != "05:00" || o.Spec.Canary.Percent != 0.5 ||
		o.Spec.Hold != dlq.Duration(10*time.Second) || o.Spec.Replay.Delay != dlq.Duration(10*time.Second) {
		t.Errorf("%+v", o)
	}
	if w := a.call("POST", url, `{"kind":"discard","ids":["41","42"]}`, "Idempotency-Key: k"); w.Code != 201 || !strings.Contains(w.Body.String(), `"id":"made"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := a.call("POST", url, `{"kind":"discard","ids":["41","42"]}`, "Idempotency-Key: k"); w.Code != 201 || len(a.stub.operations.all) != 2 {
		t.Errorf("the same write under its key: %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff([]int64{41, 42}, a.stub.operations.picks[1].IDs); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct{ body, says string }{
		"no kind":                  {`{"query":"tab=attention"}`, `\"kind\" is missing`},
		"a kind nobody knows":      {`{"kind":"repaly","query":"tab=attention"}`, `did you mean \"replay\"?`},
		"no letters":               {`{"kind":"replay"}`, "chosen by one of"},
		"an empty query":           {`{"kind":"replay","query":""}`, "chosen by one of"},
		"letters twice over":       {`{"kind":"replay","query":"tab=attention","ids":["1"]}`, "chosen by one of"},
		"a misspelt query":         {`{"kind":"replay","query":"tab=attention&raeson=x"}`, `did you mean \"reason\"?`},
		"a query of a page":        {`{"kind":"replay","query":"tab=attention&limit=10"}`, `\"limit\" is not known`},
		"a tab nobody knows":       {`{"kind":"replay","query":"tab=open"}`, "is not known"},
		"too long a query":         {`{"kind":"replay","query":"` + strings.Repeat("q", 8001) + `"}`, "longer than 8000"},
		"an id twice":              {`{"kind":"replay","ids":["1","1"]}`, "stands twice"},
		"an id of words":           {`{"kind":"replay","ids":["x"]}`, "positive whole number"},
		"too many ids":             {`{"kind":"replay","ids":[` + manyIDs(10001) + `]}`, "takes 10000"},
		"an exception twice":       {`{"kind":"replay","query":"tab=attention","except":["1","1"]}`, "stands twice"},
		"a route nobody knows":     {`{"kind":"route","query":"tab=attention","spec":{"route":"retyr"}}`, `did you mean \"retry\"?`},
		"a door nobody knows":      {`{"kind":"replay","query":"tab=attention","spec":{"replay":{"door":"E"}}}`, "is not known"},
		"a target without a name":  {`{"kind":"replay","query":"tab=attention","spec":{"replay":{"target":{"kind":"other_topic"}}}}`, "name of the target is missing"},
		"a misspelt field deep in": {`{"kind":"replay","query":"tab=attention","spec":{"replay":{"target":{"knd":"topic"}}}}`, `\"spec.replay.target.knd\" is not known`},
		"a hold in numbers":        {`{"kind":"replay","query":"tab=attention","spec":{"hold":10}}`, "not a duration such as"},
	} {
		if w := a.call("POST", url, c.body); w.Code != 400 || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", name, w.Code, cut(w.Body.String(), 300))
		}
	}
	if n := len(a.stub.operations.all); n != 2 {
		t.Errorf("%d operations", n)
	}
}

// The id that somebody else took names their operation; it is not acted on by mistake.
func TestAnOperationBelongsToItsActor(t *testing.T) {
	a := newAPI(t, nil)
	withDraft(a.stub)
	a.stub.operations.all[0].Actor = "mia"
	w := a.call("POST", apiBase+"/operations", `{"id":"first","kind":"replay","query":"tab=attention"}`)
	if w.Code != 409 || !strings.Contains(w.Body.String(), `"actor":"mia"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Of calls with the same id at once, one makes the operation and says so.
func TestTheSameOperationAtOnce(t *testing.T) {
	a := newAPI(t, nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 16 {
		all.Go(func() {
			w := a.call("POST", apiBase+"/operations", `{"id":"x-1","kind":"replay","query":"tab=attention"}`)
			mu.Lock()
			defer mu.Unlock()
			codes[w.Code]++
		})
	}
	all.Wait()
	if diff := cmp.Diff(map[int]int{201: 1, 200: 15}, codes); diff != "" {
		t.Error(diff)
	}
}

// What the lists are asked for is what the caller said.
func TestOperationFilters(t *testing.T) {
	a := newAPI(t, nil)
	withDraft(a.stub)
	a.call("GET", apiBase+"/operations?state=draft&state=paused&kind=replay&actor=mia", "")
	want := dlq.OperationFilter{States: []dlq.OperationState{dlq.OperationDraft, dlq.OperationPaused}, Kinds: []dlq.OperationKind{dlq.OperationReplay}, Actors: []string{"mia"}}
	if diff := cmp.Diff(want, a.stub.operations.filter); diff != "" {
		t.Error(diff)
	}
	a.call("GET", apiBase+"/operations/1/items?state=failed_again", "")
	if diff := cmp.Diff([]dlq.ItemState{dlq.ItemFailedAgain}, a.stub.operations.states); diff != "" {
		t.Error(diff)
	}
}

func manyIDs(n int) string {
	var ids []string
	for i := range n {
		ids = append(ids, strconv.Quote(strconv.Itoa(i+1)))
	}
	return strings.Join(ids, ",")
}
