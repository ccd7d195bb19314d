package ui

import (
	"strings"
	"testing"
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
