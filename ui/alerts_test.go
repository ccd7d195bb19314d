package ui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/store"
)

// alertStub keeps alerts, silences and deliveries in memory, and sends what it is given to nobody.
type alertStub struct {
	book       dlq.AlertBook
	recent     []dlq.Alert
	events     []dlq.AlertEvent // newest first
	silences   []dlq.Silence
	deliveries map[string]dlq.Delivery
	filter     dlq.DeliveryFilter // that was asked for last
	rules      []dlq.AlertRule
	receivers  []dlq.Receiver

	send func(*dlq.Delivery) error
	fail error // of everything that is read
}

func (s *alertStub) AlertBook(context.Context) (dlq.AlertBook, error) { return s.book, s.fail }

func (s *alertStub) AlertHistory(context.Context, int) ([]dlq.Alert, error) { return s.recent, s.fail }

func (s *alertStub) AlertEvents(_ context.Context, alert string, before int64, limit int) (out []dlq.AlertEvent, err error) {
	for _, e := range s.events {
		if (alert == "" || e.AlertID == alert) && (before == 0 || e.ID < before) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, s.fail
}

func (s *alertStub) Silences(context.Context, int) ([]dlq.Silence, error) { return s.silences, s.fail }

func (s *alertStub) AddSilence(_ context.Context, x dlq.Silence) error {
	s.silences = append(s.silences, x)
	return nil
}

func (s *alertStub) EndSilence(_ context.Context, id, actor string) (dlq.Silence, error) {
	for i := range s.silences {
		if x := &s.silences[i]; x.ID == id {
			if !x.EndsAt.After(noon) {
				return *x, dlq.Errorf(dlq.CodeConflict, "the silence is over already")
			}
			x.EndsAt, x.EndedBy = noon, actor
			return *x, nil
		}
	}
	return dlq.Silence{}, dlq.Errorf(dlq.CodeNotFound, "there is no silence %q", id)
}

func (s *alertStub) AddDelivery(_ context.Context, d dlq.Delivery) error {
	if d.State != dlq.DeliveryPending || d.NextAt != nil {
		return errors.New("a test is to be sent by hand, once")
	}
	d.ChangedAt = d.ChangedAt.Add(time.Millisecond) // the store's own clock
	s.deliveries[d.ID] = d
	return nil
}

func (s *alertStub) Deliveries(_ context.Context, f dlq.DeliveryFilter, _ string, _ int) (dlq.DeliveryPage, error) {
	s.filter = f
	return dlq.DeliveryPage{}, s.fail
}

func (s *alertStub) Delivery(_ context.Context, id string) (dlq.Delivery, error) {
	d, ok := s.deliveries[id]
	if !ok {
		return d, dlq.Errorf(dlq.CodeNotFound, "there is no delivery %q", id)
	}
	return d, nil
}

func (s *alertStub) Rules() []dlq.AlertRule    { return s.rules }
func (s *alertStub) Receivers() []dlq.Receiver { return s.receivers }

func (s *alertStub) SendNow(_ context.Context, d dlq.Delivery) (dlq.Delivery, error) {
	if have, mine := s.deliveries[d.ID]; mine && !have.ChangedAt.Equal(d.ChangedAt) {
		return d, dlq.Errorf(dlq.CodeConflict, "it has changed in the meantime")
	}
	if s.send != nil {
		if err := s.send(&d); err != nil {
			return d, err
		}
	}
	d.Attempts++
	d.State, d.Status = dlq.DeliverySent, 200
	d.Log = []dlq.DeliveryAttempt{{DeliveryID: d.ID, Number: d.Attempts, ByHand: true, At: noon, URL: "https://hooks.example", Status: 200, Request: `{"type":"alert.test"}`, Answer: "ok"}}
	s.deliveries[d.ID] = d
	return d, nil
}

func newAlertStub() *alertStub {
	alert := func(id string, state dlq.AlertState, severity dlq.AlertSeverity, since time.Duration) dlq.Alert {
		return dlq.Alert{ID: id, Rule: "dead letters pile up", Signal: "open_letters", State: state, Severity: severity, Labels: map[string]string{"consumer_group": id},
			Unit: dlq.UnitCount, Value: 212, Threshold: 100, ActiveSince: noon.Add(-since), HeldAt: noon}
	}
	silenced := alert("silenced", dlq.AlertFiring, dlq.AlertCritical, 3*time.Hour)
	silenced.SilenceID = "sil_1"
	return &alertStub{
		book: dlq.AlertBook{EvaluatedAt: &noon, Alerts: []dlq.Alert{
			alert("waits", dlq.AlertPending, dlq.AlertCritical, time.Minute),
			alert("young", dlq.AlertFiring, dlq.AlertWarning, time.Minute),
			alert("over", dlq.AlertResolved, dlq.AlertCritical, time.Hour),
			alert("old", dlq.AlertFiring, dlq.AlertWarning, time.Hour),
			alert("bad", dlq.AlertFiring, dlq.AlertCritical, time.Second),
			silenced,
		}, Groups: []dlq.AlertGroup{{Receiver: "ops", Told: map[string]dlq.AlertState{"old": dlq.AlertFiring}, Waiting: map[string]time.Time{"young": noon}, SentAt: &noon}}},
		recent:     []dlq.Alert{alert("over", dlq.AlertResolved, dlq.AlertCritical, time.Hour)},
		events:     []dlq.AlertEvent{{ID: 3, AlertID: "old", Kind: dlq.AlertEventNotified, At: noon, Receiver: "ops", DeliveryID: "dlv_1"}, {ID: 2, AlertID: "old", Kind: dlq.AlertEventFiring, At: noon}, {ID: 1, AlertID: "bad", Kind: dlq.AlertEventPending, At: noon}},
		silences:   []dlq.Silence{{ID: "sil_1", Matchers: map[string][]string{"consumer_group": {"silenced"}}, StartsAt: noon.Add(-time.Hour), EndsAt: noon.Add(time.Hour), Author: "anna", Note: "bank outage", CreatedAt: noon}},
		deliveries: map[string]dlq.Delivery{},
		rules:      []dlq.AlertRule{{Name: "dead letters pile up", Signal: "open_letters", Unit: dlq.UnitCount, Threshold: 100, Severity: dlq.AlertWarning, By: []string{"consumer_group"}, Labels: map[string]string{"team": "pay"}, Line: 40, Values: []dlq.AlertValue{{Value: 7}}}},
		receivers:  []dlq.Receiver{{Name: "ops", Type: "webhook", Locale: "en", Host: "https://hooks.example"}, {Name: "值班/夜间", Type: "dingtalk", Locale: "zh", Disabled: "the variable DLQ_DING is not set", Needs: "env:DLQ_DING"}},
	}
}

func TestAlertsAPI(t *testing.T) {
	delivered := func(s *alertStub) {
		s.deliveries["dlv_1"] = dlq.Delivery{ID: "dlv_1", Kind: dlq.DeliveryAlert, Receiver: "ops", Type: "webhook", State: dlq.DeliveryFailed, Attempts: 3,
			Notification: dlq.Notification{Reason: dlq.NotifyFirst, At: noon, Alerts: s.recent}, CreatedAt: noon, ChangedAt: noon}
	}
	const matched = `"matchers":{"consumer_group":["pay-service","stock"]}`
	for _, sc := range []struct {
		name   string
		with   func(*alertStub)
		method string
		url    string
		body   string
		status int
		must   []string
	}{
		{name: "status counts", url: "/status", must: []string{`"alerts":{"firing":4,"silenced":1,"critical":1,"pending":1}`}},
		{name: "alerts", url: "/alerts", must: []string{`"evaluated_at":"2026-11-21T12:00:00Z"`, `"recent":[{"id":"over"`, `"rules":[{"name":"dead letters pile up"`, `"for":"0s"`, `"state":""`,
			`"groups":[{"receiver":"ops","told":{"old":"firing"},"waiting":{"young":"2026-11-21T12:00:00Z"}`, `"annotations":{}`, `"where":{}`}},
		{name: "alerts before anything was looked at", with: func(s *alertStub) { *s = alertStub{} }, url: "/alerts", must: []string{`{"items":[],"recent":[],"rules":[],"groups":[]}`}},
		{name: "alerts that cannot be read", with: func(s *alertStub) { s.fail = errors.New("secret") }, url: "/alerts", status: 500},
		{name: "events", url: "/alerts/events?limit=2", must: []string{`"items":[{"id":"3"`, `"delivery_id":"dlv_1"`, `"next":"2"`}},
		{name: "the next events", url: "/alerts/events?limit=2&cursor=2", must: []string{`{"items":[{"id":"1"`, `"kind":"pending","at":"2026-11-21T12:00:00Z","value":0}]}`}},
		{name: "events of one alert", url: "/alerts/events?alert=bad", must: []string{`{"items":[{"id":"1"`}},
		{name: "a made-up cursor", url: "/alerts/events?cursor=x", status: 400},
		{name: "too long an id", url: "/alerts/events?alert=" + strings.Repeat("x", 65), status: 400},
		{name: "receivers", url: "/receivers", must: []string{`{"name":"ops","type":"webhook","format":"","locale":"en","host":"https://hooks.example","per_minute":0,"signed":false}`, `"needs":"env:DLQ_DING"`}},

		{name: "silences", url: "/silences", must: []string{`"items":[{"id":"sil_1"`, `"note":"bank outage"`}},
		{name: "silence for a time", method: "POST", url: "/silences", body: `{` + matched + `,"duration":"30m","note":" bank outage "}`,
			must: []string{matched, `"starts_at":"2026-11-21T12:00:00Z","ends_at":"2026-11-21T12:30:00Z","author":"local","note":"bank outage","created_at":"2026-11-21T12:00:00Z"`}},
		{name: "silence until", method: "POST", url: "/silences", body: `{` + matched + `,"starts_at":"2026-11-21T23:00:00+08:00","ends_at":"2026-11-22T09:00:00+08:00","note":"x"}`,
			must: []string{`"starts_at":"2026-11-21T15:00:00Z","ends_at":"2026-11-22T01:00:00Z"`}},
		{name: "silence without a note", method: "POST", url: "/silences", body: `{` + matched + `,"duration":"30m"}`, status: 400, must: []string{"note"}},
		{name: "silence for no time", method: "POST", url: "/silences", body: `{` + matched + `,"note":"x"}`, status: 400, must: []string{"how long"}},
		{name: "silence for less than none", method: "POST", url: "/silences", body: `{` + matched + `,"duration":"-1h","note":"x"}`, status: 400},
		{name: "silence for two times", method: "POST", url: "/silences", body: `{` + matched + `,"duration":"1h","ends_at":"2026-11-22T09:00:00Z","note":"x"}`, status: 400, must: []string{"exclude"}},
		{name: "silence what is over", method: "POST", url: "/silences", body: `{` + matched + `,"ends_at":"2026-11-21T12:00:00Z","note":"x"}`, status: 400, must: []string{"over already"}},
		{name: "silence backwards", method: "POST", url: "/silences", body: `{` + matched + `,"starts_at":"2026-11-23T12:00:00Z","ends_at":"2026-11-22T12:00:00Z","note":"x"}`, status: 400, must: []string{"before it starts"}},
		{name: "silence for ever", method: "POST", url: "/silences", body: `{` + matched + `,"duration":"400d","note":"x"}`, status: 400, must: []string{"year"}},
		{name: "silence for longer than time counts", method: "POST", url: "/silences", body: `{` + matched + `,"duration":"1000000d","note":"x"}`, status: 400},
		{name: "silence everything", method: "POST", url: "/silences", body: `{"matchers":{},"duration":"1h","note":"x"}`, status: 400, must: []string{"matchers"}},
		{name: "silence by a label that a rule gives", method: "POST", url: "/silences", body: `{"matchers":{"team":["pay"],"rule":["x"],"severity":["warning"]},"duration":"1h","note":"x"}`},
		{name: "silence by a label that no alert has", method: "POST", url: "/silences", body: `{"matchers":{"consumer_grup":["pay"]},"duration":"1h","note":"x"}`, status: 400, must: []string{"consumer_grup", `did you mean \"consumer_group\"`}},
		{name: "silence by a label that resembles none", method: "POST", url: "/silences", body: `{"matchers":{"q":["pay"]},"duration":"1h","note":"x"}`, status: 400, must: []string{"known are: consumer_group, rule, severity, team"}},
		{name: "a matcher without values", method: "POST", url: "/silences", body: `{"matchers":{"rule":[]},"duration":"1h","note":"x"}`, status: 400},
		{name: "a matcher of one text", method: "POST", url: "/silences", body: `{"matchers":{"rule":"x"},"duration":"1h","note":"x"}`, status: 400, must: []string{"an object of lists of text"}},
		{name: "too long a value", method: "POST", url: "/silences", body: `{"matchers":{"rule":["` + strings.Repeat("x", 256) + `"]},"duration":"1h","note":"x"}`, status: 400},
		{name: "end a silence", method: "POST", url: "/silences/sil_1/end", must: []string{`"ends_at":"2026-11-21T12:00:00Z"`, `"ended_by":"local"`}},
		{name: "end what is not there", method: "POST", url: "/silences/sil_2/end", status: 404},
		{name: "end what is over", with: func(s *alertStub) { s.silences[0].EndsAt = noon }, method: "POST", url: "/silences/sil_1/end", status: 409},

		{name: "test", method: "POST", url: "/receivers/ops/test", must: []string{`"kind":"test"`, `"reason":"test"`, `"state":"sent"`, `"actor":"local"`, `"answer":"ok"`, `"by_hand":true`}},
		{name: "test one with a difficult name", method: "POST", url: "/receivers/%E5%80%BC%E7%8F%AD%2F%E5%A4%9C%E9%97%B4/test", must: []string{`"receiver":"值班/夜间","type":"dingtalk"`}},
		{name: "test nobody", method: "POST", url: "/receivers/nobody/test", status: 404, must: []string{"no receiver"}},
		{name: "deliveries", url: "/deliveries?receiver=ops&state=failed&state=pending&alert=old&limit=5", must: []string{`{"items":[]}`}},
		{name: "a misspelt state", url: "/deliveries?state=fialed", status: 400, must: []string{`did you mean \"failed\"?`}},
		{name: "a delivery", with: delivered, url: "/deliveries/dlv_1", must: []string{`"state":"failed"`, `"alerts":[{"id":"over"`}},
		{name: "no delivery", url: "/deliveries/dlv_2", status: 404},
		{name: "send again", with: delivered, method: "POST", url: "/deliveries/dlv_1/resend", must: []string{`"id":"dlv_1"`, `"state":"sent"`, `"attempts":4`, `"actor":"local"`}},
		{name: "send what is not there again", method: "POST", url: "/deliveries/dlv_2/resend", status: 404},
		{name: "send what was merged again", with: func(s *alertStub) {
			s.deliveries["dlv_1"] = dlq.Delivery{ID: "dlv_1", State: dlq.DeliveryMerged, MergedInto: "dlv_9"}
		}, method: "POST", url: "/deliveries/dlv_1/resend", status: 422, must: []string{"dlv_9"}},
		{name: "send again to one who is gone", with: func(s *alertStub) { delivered(s); s.receivers = nil }, method: "POST", url: "/deliveries/dlv_1/resend", status: 422, must: []string{"no receiver"}},
		{name: "send again what changes", with: func(s *alertStub) {
			delivered(s)
			s.send = func(*dlq.Delivery) error { return dlq.Errorf(dlq.CodeConflict, "it has changed in the meantime") }
		}, method: "POST", url: "/deliveries/dlv_1/resend", status: 409},
	} {
		t.Run(sc.name, func(t *testing.T) {
			a := newAPI(t, nil)
			if sc.with != nil {
				sc.with(a.stub.alerts)
			}
			method := sc.method
			if method == "" {
				method = http.MethodGet
			}
			status := sc.status
			if status == 0 {
				status = 200
			}
			w := a.call(method, apiBase+sc.url, sc.body)
			if w.Code != status || !json.Valid(w.Body.Bytes()) {
				t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
			}
			for _, s := range sc.must {
				if !strings.Contains(w.Body.String(), s) {
					t.Errorf("the answer lacks %s:\n%s", s, w.Body)
				}
			}
			if status == 500 && strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the cause is shown: %s", w.Body)
			}
		})
	}
}

// What is most urgent stands first, what fires stands before what may, and what is over is not among them.
func TestAlertsInTheirOrder(t *testing.T) {
	a := newAPI(t, nil)
	var got []string
	for _, alert := range decode[Alerts](t, a.call("GET", apiBase+"/alerts", "").Body.Bytes()).Items {
		got = append(got, alert.ID)
	}
	if diff := cmp.Diff([]string{"silenced", "bad", "old", "young", "waits"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDeliveriesAreFiltered(t *testing.T) {
	a := newAPI(t, nil)
	a.call("GET", apiBase+"/deliveries?receiver=ops&state=failed&state=pending&alert=old", "")
	want := dlq.DeliveryFilter{Receiver: "ops", States: []dlq.DeliveryState{dlq.DeliveryFailed, dlq.DeliveryPending}, AlertID: "old"}
	if diff := cmp.Diff(want, a.stub.alerts.filter); diff != "" {
		t.Error(diff)
	}
}

// A repeated press of the test button is the same press, and two presses are two deliveries.
func TestATestIsSentOnce(t *testing.T) {
	a := newAPI(t, nil)
	press := func(key string) dlq.Delivery {
		return decode[dlq.Delivery](t, a.call("POST", apiBase+"/receivers/ops/test", "", "Idempotency-Key: "+key).Body.Bytes())
	}
	one, again, two := press("a"), press("a"), press("b")
	if one.ID != again.ID || one.ID == two.ID || len(a.stub.alerts.deliveries) != 2 {
		t.Errorf("%s %s %s", one.ID, again.ID, two.ID)
	}
	if !strings.HasPrefix(one.ID, "dlv_") || len(one.ID) != 30 || !slices.Contains([]dlq.DeliveryState{dlq.DeliverySent}, one.State) {
		t.Errorf("%+v", one)
	}
}

// The same over a real store: what is written is what is read.
func TestAlertsOverTheHouse(t *testing.T) {
	a := newHouse(t)
	kept := a.deps.Store.(*store.Store)
	silence := decode[dlq.Silence](t, a.call("POST", apiBase+"/silences",
		`{"matchers":{"consumer_group":["pay-service"]},"duration":"1h","note":"银行维护"}`).Body.Bytes())
	listed := decode[items[dlq.Silence]](t, a.call("GET", apiBase+"/silences", "").Body.Bytes())
	if diff := cmp.Diff([]dlq.Silence{silence}, listed.Items); diff != "" {
		t.Error(diff)
	}
	if w := a.call("POST", apiBase+"/silences/"+silence.ID+"/end", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"ended_by":"local"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := a.call("POST", apiBase+"/silences/"+silence.ID+"/end", ""); w.Code != 409 {
		t.Errorf("ended twice: %d %s", w.Code, w.Body)
	}

	stub := newAlertStub()
	step := dlq.AlertStep{At: noon, Alerts: stub.book.Alerts}
	for range 5 {
		step.Events = append(step.Events, dlq.AlertEvent{AlertID: "old", Rule: "dead letters pile up", Kind: dlq.AlertEventFiring, At: noon})
	}
	if err := kept.SaveAlerts(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if w := a.call("GET", apiBase+"/status", ""); !strings.Contains(w.Body.String(), `"alerts":{"firing":4,"silenced":1,"critical":1,"pending":1}`) {
		t.Errorf("%s", w.Body)
	}
	if w := a.call("GET", apiBase+"/alerts", ""); w.Code != 200 || strings.Count(w.Body.String(), `"state":"firing"`) != 4 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	seen, cursor := map[int64]bool{}, ""
	for range 4 {
		page := decode[pageOf[dlq.AlertEvent]](t, a.call("GET", apiBase+"/alerts/events?alert=old&limit=2&cursor="+cursor, "").Body.Bytes())
		for _, e := range page.Items {
			seen[e.ID] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(seen) != 5 || cursor != "" {
		t.Errorf("read %d of 5 events, page by page", len(seen))
	}

	// What the test button stores is what is sent: the store's own times stand in it.
	a.stub.alerts.send = func(d *dlq.Delivery) error {
		d.State, d.Attempts = dlq.DeliverySent, 1
		return kept.SaveDelivery(t.Context(), *d, &dlq.DeliveryAttempt{DeliveryID: d.ID, Number: 1, ByHand: true, At: noon, Status: 200})
	}
	if w := a.call("POST", apiBase+"/receivers/ops/test", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := decode[dlq.DeliveryPage](t, a.call("GET", apiBase+"/deliveries?receiver=ops&state=sent", "").Body.Bytes())
	if len(page.Items) != 1 || page.Items[0].Kind != dlq.DeliveryTest || page.Items[0].Actor != dlq.ActorLocal {
		t.Errorf("%+v", page)
	}
}
