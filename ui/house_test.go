package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/rulebook"
	"deadletteroffice/store"
)

// newHouse is the API over a real store, a real desk and real rules; only the cluster and the replays are played.
func newHouse(t *testing.T) *apiTest {
	t.Helper()
	var page atomic.Pointer[Server]
	now := func() time.Time { return noon }
	kept, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "dlq.db"), Now: now, Publish: func(e []dlq.Event) {
		if s := page.Load(); s != nil {
			s.Publish(e)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- kept.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ran
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	live := classifier.NewLive()
	book := rulebook.New(rulebook.Options{Path: filepath.Join(t.TempDir(), "rules.yaml"), Versions: kept, Logger: slog.New(slog.DiscardHandler), Now: now,
		Owners: []rulebook.Owner{{Keys: classifier.SectionKeys, Compile: func(root *yaml.Node, _ bool) (func(int64), []dlq.Diagnostic) {
			rules, found := classifier.Compile(root)
			return func(version int64) { live.Swap(version, rules) }, found
		}}}})
	if _, err := book.Save(t.Context(), rulebook.Edit{Text: oneRule, ETag: book.File().ETag, Author: "file"}); err != nil {
		t.Fatal(err)
	}
	automation, err := handlers.NewSwitch(t.Context(), kept, now)
	if err != nil {
		t.Fatal(err)
	}
	compensations := &handlers.LiveCompensations{}
	desk := handlers.NewDesk(handlers.DeskDeps{Store: kept, Rules: live, Switch: automation, Policy: live.Automation, Compensations: compensations, Now: now})
	a := newAPI(t, func(d *Deps) { d.Store, d.Alerts, d.Desk, d.Live, d.Book = kept, kept, desk, live, book })
	page.Store(a.Server)

	intake := handlers.NewIntake(handlers.IntakeDeps{Store: kept, Rules: live, Automation: automation.Get, Policy: live.Automation, Compensations: compensations, Now: now})
	q := dlq.Queue{Cluster: "c1", Broker: "b1", Topic: "%DLQ%pay-service"}
	batch := dlq.Batch{Queue: q, Next: 3}
	for o := range int64(3) {
		batch.Messages = append(batch.Messages, dlq.DeadMessage{Position: dlq.Position{Queue: q, Offset: o, StoredAt: noon.Add(time.Duration(o-10) * time.Second)},
			ConsumerGroup: "pay-service", OriginalTopic: "orders", MessageID: fmt.Sprintf("7F0000010000%02d", o), PhysOffset: 100 * o,
			Properties: map[string]string{dlq.PropUniqueKey: fmt.Sprintf("UK%d", o), dlq.PropKeys: fmt.Sprintf("PAY-%d", o), "FAILURE_REASON": "network_timeout"},
			Body:       fmt.Appendf(nil, `{"order":1234567890123456789%d,"text":"库存不足"}`, o), BodyState: dlq.BodyPlain, ReconsumeTimes: 16, BornAt: noon.Add(-time.Hour)})
	}
	if err := <-intake.Accept(t.Context(), []dlq.Batch{batch}); err != nil {
		t.Fatal(err)
	}
	return a
}

// putInForce saves rules over the API.
func putInForce(t *testing.T, a *apiTest, text string) Rules {
	t.Helper()
	body, err := json.Marshal(map[string]string{"text": text, "note": "other rules"})
	if err != nil {
		t.Fatal(err)
	}
	w := a.call("PUT", apiBase+"/rules", string(body), "If-Match: "+a.Book.File().ETag)
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[Rules](t, w.Body.Bytes())
}

func decode[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// A letter's way through the API, over the real store and the real desk.
func TestALettersWay(t *testing.T) {
	a := newHouse(t)
	page := decode[dlq.Page](t, a.call("GET", apiBase+"/letters?tab=attention&consumer_group=pay-service&limit=2", "").Body.Bytes())
	if len(page.Items) != 2 || page.Next == "" || page.Total != (dlq.Count{Count: 3, Exact: true}) {
		t.Fatalf("%+v", page)
	}
	newest := page.Items[0]
	rest := decode[dlq.Page](t, a.call("GET", apiBase+"/letters?tab=attention&consumer_group=pay-service&limit=2&cursor="+page.Next, "").Body.Bytes())
	if len(rest.Items) != 1 || rest.Next != "" {
		t.Errorf("second page: %+v", rest)
	}
	if w := a.call("GET", apiBase+"/letters?cursor=rubbish", ""); w.Code != 400 {
		t.Errorf("a made-up cursor: %d %s", w.Code, w.Body)
	}
	path := fmt.Sprintf("%s/letters/%d", apiBase, newest.ID)

	if w := a.call("GET", path+"/body", ""); w.Body.String() != `{"order":12345678901234567892,"text":"库存不足"}` {
		t.Errorf("body: %s", w.Body)
	}
	first := a.call("GET", path+"/explain", "").Body.String()
	for _, want := range []string{`"rule":"timeouts wait"`, `"matched":true`, `"got":["network_timeout"]`} {
		if !strings.Contains(first, want) {
			t.Errorf("the explanation lacks %s: %s", want, first)
		}
	}
	// Other rules come into force; the letter is still explained by those that judged it.
	putInForce(t, a, "version: 1\nrules:\n  - name: all new\n    route: manual\n")
	for range 2 {
		if again := a.call("GET", path+"/explain", "").Body.String(); again != first {
			t.Errorf("explained otherwise:\n%s\n%s", first, again)
		}
	}
	if w := a.call("GET", apiBase+"/rules", ""); !strings.Contains(w.Body.String(), `"rules":[{"name":"all new","line":3,"end_line":4,"route":"manual","off":false}]`) {
		t.Errorf("rules: %s", w.Body)
	}

	act := func(name, body string) *dlq.Letter {
		t.Helper()
		w := a.call("POST", path+"/"+name, body)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		l := decode[dlq.Letter](t, w.Body.Bytes())
		return &l
	}
	l := act("take", fmt.Sprintf(`{"version":%d}`, newest.Version))
	if l.Owner != dlq.ActorLocal || l.Version <= newest.Version {
		t.Errorf("taken: %+v", l)
	}
	w := a.call("POST", path+"/discard", fmt.Sprintf(`{"version":%d,"note":"too late"}`, newest.Version))
	if w.Code != 409 {
		t.Fatalf("an old version: %d %s", w.Code, w.Body)
	}
	if p := decode[Problem](t, w.Body.Bytes()); p.Letter == nil || p.Letter.Version != l.Version || p.Letter.Owner != dlq.ActorLocal || p.Hint == "" {
		t.Errorf("a conflict: %+v", p)
	}
	l = act("discard", fmt.Sprintf(`{"version":%d,"note":"测试订单"}`, l.Version))
	if l.State != dlq.StateDiscarded || l.ExpiresAt == nil {
		t.Errorf("discarded: %+v", l)
	}
	if w := a.call("POST", path+"/snooze", fmt.Sprintf(`{"version":%d,"until":"2026-11-22T00:00:00Z"}`, l.Version)); w.Code != 422 {
		t.Errorf("snooze what is discarded: %d %s", w.Code, w.Body)
	}
	l = act("restore", fmt.Sprintf(`{"version":%d}`, l.Version))
	l = act("snooze", fmt.Sprintf(`{"version":%d,"until":"2026-11-22T00:00:00Z"}`, l.Version))
	if l.State != dlq.StateSnoozed || l.DueAt == nil {
		t.Errorf("snoozed: %+v", l)
	}
	detail := decode[dlq.Detail](t, a.call("GET", path, "").Body.Bytes())
	if len(detail.Events) < 5 || detail.Events[0].Kind != dlq.EventSnoozed || detail.Properties["FAILURE_REASON"] != "network_timeout" {
		t.Errorf("detail: %+v", detail)
	}
	facets := decode[dlq.Facets](t, a.call("GET", apiBase+"/facets?tab=attention", "").Body.Bytes())
	if facets.Tabs[dlq.TabAttention] != 2 || facets.Tabs[dlq.TabSnoozed] != 1 {
		t.Errorf("facets: %+v", facets)
	}
	if summary := decode[dlq.Summary](t, a.call("GET", apiBase+"/summary", "").Body.Bytes()); summary.Letters != 3 || summary.LastEvent == 0 || len(summary.ArrivedHours) != 24 {
		t.Errorf("summary: %+v", summary)
	}
}

func TestASelectionOverTheHouse(t *testing.T) {
	a := newHouse(t)
	page := decode[dlq.Page](t, a.call("GET", apiBase+"/letters", "").Body.Bytes())
	ids := []string{}
	for _, l := range page.Items {
		ids = append(ids, fmt.Sprintf(`"%d"`, l.ID))
	}
	body := `{"action":"resolve","ids":[` + strings.Join(ids, ",") + `,"999"],"note":"paid by hand"}`
	w := a.call("POST", apiBase+"/letters/actions", body, "Idempotency-Key: once")
	if w.Code != 200 || strings.Count(w.Body.String(), `"ok":true`) != 3 || strings.Count(w.Body.String(), `"code":"not_found"`) != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if again := a.call("POST", apiBase+"/letters/actions", body, "Idempotency-Key: once"); again.Body.String() != w.Body.String() {
		t.Errorf("the same write is answered otherwise: %s", again.Body)
	}
	if other := a.call("POST", apiBase+"/letters/actions", strings.Replace(body, "paid", "Paid", 1), "Idempotency-Key: once"); other.Code != 422 {
		t.Errorf("another write under the key: %d", other.Code)
	}
	resolved := decode[dlq.Page](t, a.call("GET", apiBase+"/letters?tab=resolved", "").Body.Bytes())
	if len(resolved.Items) != 3 || resolved.Items[0].Resolution != dlq.ResolvedByHand {
		t.Errorf("%+v", resolved)
	}
}

func TestReportsOverTheHouse(t *testing.T) {
	a := newHouse(t)
	w := a.call("POST", apiBase+"/reports", `{"reports":[{"consumer_group":"pay-service","unique_key":"UK1","reason":"data_format_error"},{"consumer_group":"pay-service","key":"nobody","reason":"x"}]}`)
	out := decode[results[ReportResult]](t, w.Body.Bytes())
	if w.Code != 200 || len(out.Results) != 2 || len(out.Results[0].Matched) != 1 || len(out.Results[1].Matched) != 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, body := range []string{`{"consumer_group":"g","reason":"r"}`, `{"message_id":"m","reason":"r"}`, `{"consumer_group":"g","message_id":"m"}`, `{"reports":[]}`} {
		if w := a.call("POST", apiBase+"/reports", body); w.Code != 400 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestAutomationOverTheHouse(t *testing.T) {
	a := newHouse(t)
	now := decode[dlq.Automation](t, a.call("GET", apiBase+"/automation", "").Body.Bytes())
	if now.On || now.Stopped {
		t.Errorf("automation on a new file: %+v", now)
	}
	body := fmt.Sprintf(`{"on":true,"stopped":false,"note":"reviewed","version":%d}`, now.Version)
	after := decode[dlq.Automation](t, a.call("PUT", apiBase+"/automation", body).Body.Bytes())
	if !after.On || after.Actor != dlq.ActorLocal || after.Note != "reviewed" || after.Since == nil {
		t.Errorf("%+v", after)
	}
	if w := a.call("PUT", apiBase+"/automation", body); w.Code != 409 {
		t.Errorf("an old version: %d %s", w.Code, w.Body)
	}
}

// What the store commits reaches the followers of the stream.
func TestCommitsReachTheStream(t *testing.T) {
	a := newHouse(t)
	one, _, _ := a.hub.follow("x")
	l := decode[dlq.Page](t, a.call("GET", apiBase+"/letters?limit=1", "").Body.Bytes()).Items[0]
	a.call("POST", fmt.Sprintf("%s/letters/%d/notes", apiBase, l.ID), fmt.Sprintf(`{"version":%d,"note":"x"}`, l.Version))
	for {
		var f frame
		select {
		case f = <-one.frames:
		case <-time.After(10 * time.Second):
			t.Fatal("the change is not told")
		}
		if strings.Contains(string(f), fmt.Sprintf(`"changed":["%d"]`, l.ID)) {
			return
		}
	}
}
