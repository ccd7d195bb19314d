package ui

import (
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"deadletteroffice/dlq"
)

func TestIdempotencyKey(t *testing.T) {
	a := newAPI(t, nil)
	const url, body, key = apiBase + "/letters/41/notes", `{"version":3,"note":"x"}`, "Idempotency-Key: k-1"
	first := a.call("POST", url, body, key)
	again := a.call("POST", url, body, key)
	if first.Code != 200 || again.Code != 200 || first.Body.String() != again.Body.String() || again.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s\n%d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if a.stub.done() != "note local x " {
		t.Errorf("done: %q", a.stub.done())
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"another body":   a.call("POST", url, `{"version":3,"note":"y"}`, key),
		"another act":    a.call("POST", apiBase+"/letters/41/discard", body, key),
		"another letter": a.call("POST", apiBase+"/letters/42/notes", body, key),
	} {
		if w.Code != 422 || !strings.Contains(w.Body.String(), "Idempotency-Key was used") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, header := range map[string]string{"too long": strings.Repeat("k", 129), "not ASCII": "键", "control": "a\tb"} {
		if w := a.call("POST", url, body, "Idempotency-Key: "+header); w.Code != 400 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// A write that was not done may be tried again under its key.
func TestAFailedWriteIsNotRemembered(t *testing.T) {
	a := newAPI(t, nil)
	a.stub.replay = func(dlq.ReplayRequest) error { return dlq.Errorf(dlq.CodeUnavailable, "the broker does not answer") }
	const url, body, key = apiBase + "/letters/41/replay", `{"version":3}`, "Idempotency-Key: k-1"
	if w := a.call("POST", url, body, key); w.Code != 503 {
		t.Fatal(w.Code)
	}
	a.stub.replay = nil
	if w := a.call("POST", url, body, key); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A write that was done is answered as done, even if its answer could not be kept.
func TestADoneWriteIsAnsweredAsDone(t *testing.T) {
	a := newAPI(t, nil)
	a.stub.remember = func(dlq.Remembered) error { return errors.New("disk full") }
	if w := a.call("POST", apiBase+"/letters/41/take", `{"version":3}`, "Idempotency-Key: k"); w.Code != 200 || !strings.Contains(a.log.String(), "not kept") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// One person's key is not another's.
func TestKeysBelongToTheirActor(t *testing.T) {
	path, tokens := tokensFor(t)
	a := newAPI(t, func(d *Deps) { d.TokenFile = path })
	for role, id := range map[Role]string{RoleOperator: "41", RoleAdmin: "42"} {
		if w := a.call("POST", apiBase+"/letters/"+id+"/take", `{"version":3}`, "Idempotency-Key: k", "Authorization: Bearer "+tokens[role]); w.Code != 200 {
			t.Errorf("%s: %d %s", role, w.Code, w.Body)
		}
	}
}

// The same write sent many times at once is done once, and all get its answer.
func TestTheSameWriteAtOnce(t *testing.T) {
	a := newAPI(t, nil)
	var all sync.WaitGroup
	answers := make([]string, 16)
	for i := range answers {
		all.Go(func() {
			answers[i] = a.call("POST", apiBase+"/letters/41/replay", `{"version":3}`, "Idempotency-Key: k").Body.String()
		})
	}
	all.Wait()
	for _, s := range answers {
		if s != answers[0] || !strings.Contains(s, `"outcome":"waiting"`) {
			t.Errorf("%s", s)
		}
	}
	if a.stub.done() != "replay local  " {
		t.Errorf("done: %q", a.stub.done())
	}
	if len(a.once.busy) != 0 {
		t.Errorf("%d keys are still claimed", len(a.once.busy))
	}
}
