package classifier

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// schema is what the test reads of docs/rules.schema.json.
type schema struct {
	Properties map[string]schema          `json:"properties"`
	Required   []string                   `json:"required"`
	Enum       []string                   `json:"enum"`
	AnyOf      []schema                   `json:"anyOf"`
	Ref        string                     `json:"$ref"`
	MaxItems   int                        `json:"maxItems"`
	Additional json.RawMessage            `json:"additionalProperties"`
	Patterns   map[string]json.RawMessage `json:"patternProperties"`
	Defs       map[string]schema          `json:"$defs"`
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile("../docs/rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The schema that people's editors use knows exactly the keys and words that the compiler knows.
func TestSchemaIsTheGrammar(t *testing.T) {
	s := readSchema(t)
	same := func(what string, got, want []string) {
		t.Helper()
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
			t.Errorf("%s: compiler -, schema +\n%s", what, diff)
		}
	}
	keys := func(d schema) []string { return slices.Collect(maps.Keys(d.Properties)) }
	for name, want := range map[string][]string{
		"facts": factsKeys, "envelope": envelopeKeys, "automation": automationKeys, "stale": staleKeys, "targets": targetKeys, "rule": ruleKeys, "retry": retryKeys, "manual": manualKeys,
		"discard": discardKeys, "match": append(fieldNames(), "all", "any", "not"),
	} {
		same(name, keys(s.Defs[name]), want)
		if string(s.Defs[name].Additional) != "false" {
			t.Errorf("%s takes any key", name)
		}
	}
	for _, key := range SectionKeys {
		if _, ok := s.Properties[key]; !ok {
			t.Errorf("the section %s is missing", key)
		}
	}
	for name, k := range map[string]kind{"text": kindText, "count": kindCount, "age": kindAge, "size": kindSize, "open": kindOpen} {
		same("operators of "+name, keys(s.Defs[name].AnyOf[2]), operatorsOf(k))
	}
	refs := map[kind]string{kindText: "text", kindSet: "text", kindCount: "count", kindAge: "age", kindSize: "size"}
	for _, f := range fields {
		if got := s.Defs["match"].Properties[f.name].Ref; got != "#/$defs/"+refs[f.kind] {
			t.Errorf("%s is %s in the schema", f.name, got)
		}
	}
	if len(s.Defs["match"].Patterns) != 2 {
		t.Error("property.NAME and body.path are missing")
	}
	same("encodings", s.Defs["envelope"].Properties["encoding"].Enum, encodings)
	same("routes", s.Defs["rule"].Properties["route"].Enum, words(dlq.Routes))
	same("severities", s.Defs["manual"].Properties["severity"].Enum, words(dlq.Severities))
	same("keys that a rule needs", s.Defs["rule"].Required, []string{"name", "route"})
	same("keys that a limit of age needs", s.Defs["stale"].Required, []string{"topic", "after"})
	same("keys that an envelope needs", s.Defs["envelope"].Required, []string{"name", "topic", "body", "encoding"})
	if s.Properties["rules"].MaxItems != MaxRules {
		t.Errorf("at most %d rules", s.Properties["rules"].MaxItems)
	}
}
