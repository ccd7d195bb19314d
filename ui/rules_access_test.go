package ui

import (
	"slices"
	"strings"
	"testing"

	"deadletteroffice/dlq"
)

// References of a text are followed for those alone who may put it in force.
func TestOnlyAdminsFollowReferences(t *testing.T) {
	file, tokens := tokensFor(t)
	for role, sealed := range map[Role]bool{RoleOperator: true, RoleAdmin: false} {
		for url, body := range map[string]string{
			"/rules/check": asJSON(t, object{"text": oneRule}),
			"/rules/edit":  asJSON(t, object{"text": oneRule, "switch": object{"section": "rules", "name": "timeouts wait", "off": true}}),
		} {
			a := newAPI(t, func(d *Deps) { d.TokenFile = file })
			if w := a.call("POST", apiBase+url, body, "Authorization: Bearer "+tokens[role]); w.Code != 200 {
				t.Fatalf("%s %s: %d %s", role, url, w.Code, w.Body)
			}
			if got := strings.Contains(a.stub.done(), "sealed"); got != sealed {
				t.Errorf("%s %s: sealed %v", role, url, got)
			}
		}
	}
}

// Whether a way may lead beyond the failed consumer group is a matter of the role, for one letter, for a selection and for
// an operation, whatever the request says itself.
func TestOnlyAdminsSendAnywhere(t *testing.T) {
	file, tokens := tokensFor(t)
	for role, want := range map[Role]bool{RoleOperator: false, RoleAdmin: true} {
		var sent []bool
		a := newAPI(t, func(d *Deps) { d.TokenFile = file })
		a.stub.replay = func(r dlq.ReplayRequest) error { sent = append(sent, r.Anywhere); return nil }
		call := func(method, url, body string) {
			t.Helper()
			if w := a.call(method, apiBase+url, body, "Authorization: Bearer "+tokens[role]); w.Code >= 300 {
				t.Fatalf("%s %s %s: %d %s", role, method, url, w.Code, w.Body)
			}
		}
		call("GET", "/letters/41/replay-options?target_kind=other_topic&target_name=parking", "")
		call("POST", "/letters/41/replay", `{"version":3,"target":{"kind":"other_topic","name":"parking"}}`)
		call("POST", "/letters/actions", `{"action":"replay","ids":["41"]}`)
		call("POST", "/operations", `{"id":"one","kind":"replay","ids":["41"],"note":"n","spec":{"replay":{"anywhere":true,"target":{"kind":"other_topic","name":"parking"}}}}`)
		if !slices.Equal(a.stub.anywhere, []bool{want}) || !slices.Equal(sent, []bool{want, want}) {
			t.Errorf("%s: ways %v, sent %v", role, a.stub.anywhere, sent)
		}
		if o, err := a.stub.operations.Operation(t.Context(), "one"); err != nil || o.Spec.Replay.Anywhere != want {
			t.Errorf("%s: the operation %+v, %v", role, o.Spec.Replay, err)
		}
	}
}
