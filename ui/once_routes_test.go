package ui

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"deadletteroffice/dlq"
)

// Every call that changes something answers a repeated key from memory: the page asks again whenever an answer was lost.
// The bodies are the smallest that each call takes.
func TestEveryWriteIsDoneOnceUnderItsKey(t *testing.T) {
	bodies := map[string]string{
		"replayLetter": `{"version":3}`, "addEdit": `{"version":3,"note":"n","body":""}`, "probeLetter": `{"version":3}`,
		"discardLetter": `{"version":3,"note":"n"}`, "restoreLetter": `{"version":3}`, "resolveLetter": `{"version":3,"note":"n"}`,
		"takeLetter": `{"version":3}`, "releaseLetter": `{"version":3}`, "snoozeLetter": `{"version":3,"until":"2026-11-22T00:00:00Z"}`,
		"noteLetter": `{"version":3,"note":"n"}`, "cancelLetter": `{"version":3}`, "routeLetter": `{"version":3}`,
		"unquarantineLetter": `{"version":3,"note":"n"}`, "actOnLetters": `{"action":"take","ids":["41"]}`,
		"createOperation": `{"kind":"discard","ids":["41"]}`, "changeOperation": `{"version":1,"spec":{}}`, "refreshOperation": `{"version":1}`,
		"startOperation": `{"version":1,"note":"n"}`, "pauseOperation": `{}`, "resumeOperation": `{}`, "cancelOperation": `{}`, "skipOperation": `{"cause":"broker_away"}`,
		"paceOperation": `{"version":1,"pace":{"rate":1}}`, "setAutomation": `{"version":1,"note":"n","on":true,"stopped":false}`, "repairTopic": "", "adoptFile": "",
		"saveRules": `{"text":"version: 1\n","note":"n"}`, "addSilence": `{"matchers":{"consumer_group":["g"]},"duration":"1h","note":"n"}`,
		"endSession": "", "endSilence": "", "testReceiver": "", "resendDelivery": "", "report": `{"consumer_group":"g","key":"k","reason":"r"}`,
	}
	// These change nothing, or are the log-in itself.
	free := map[string]bool{"checkRules": true, "editRules": true, "backtestRules": true, "logIn": true, "logOut": true}
	for _, r := range newAPI(t, nil).routes() {
		if r.method == http.MethodGet || free[r.operation] {
			continue
		}
		t.Run(r.operation, func(t *testing.T) {
			body, known := bodies[r.operation]
			if !known {
				t.Fatal("no body for this call: add one, so that it is seen to be done once under its key")
			}
			a := newAPI(t, nil)
			url := strings.NewReplacer(":id", "41", ":name", "ops", ":topic", "%25DLQ%25g").Replace(r.path)
			kept := dlq.Remembered{Key: "local/k", Status: 200, Answer: []byte(`{"kept":true}`),
				Request: fmt.Sprintf("local %s %s %x", r.method, url, sha256.Sum256([]byte(body)))}
			a.stub.memory[kept.Key] = kept
			// Not through call, which holds the answer against the document.
			req := httptest.NewRequest(r.method, url, strings.NewReader(body))
			req.Host = "localhost"
			req.Header = http.Header{"Idempotency-Key": {"k"}, "If-Match": {`"x"`}, "Content-Type": {"application/json"}}
			w := httptest.NewRecorder()
			a.Handler().ServeHTTP(w, req)
			if w.Body.String() != `{"kept":true}` || a.stub.done() != "" {
				t.Errorf("%d %s; done: %q", w.Code, w.Body, a.stub.done())
			}
		})
	}
}
