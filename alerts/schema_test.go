package alerts

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schema is what the test reads of docs/rules.schema.json.
type schema struct {
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Enum       []string          `json:"enum"`
	Items      *schema           `json:"items"`
	MaxItems   int               `json:"maxItems"`
	MaxMembers int               `json:"maxProperties"`
	Defs       map[string]schema `json:"$defs"`

	PropertyNames struct{ Not struct{ Enum []string } } `json:"propertyNames"`
}

// The schema that people's editors use knows exactly the keys and words that the grammar knows.
func TestSchemaIsTheGrammar(t *testing.T) {
	text, err := os.ReadFile("../docs/rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	alert, receiver := s.Defs["alert"], s.Defs["receiver"]
	for _, tt := range []struct {
		what      string
		got, want []string
	}{
		{"an alert's keys", slices.Collect(maps.Keys(alert.Properties)), alertKeys},
		{"a receiver's keys", slices.Collect(maps.Keys(receiver.Properties)), receiverKeys},
		{"keys that an alert needs", alert.Required, []string{"name", "signal", "receivers"}},
		{"keys that a receiver needs", receiver.Required, []string{"type", "url"}},
		{"signals", alert.Properties["signal"].Enum, signalNames()},
		{"severities", alert.Properties["severity"].Enum, severities},
		{"labels", alert.Properties["by"].Items.Enum, letterLabels},
		{"kinds of receiver", receiver.Properties["type"].Enum, receiverTypes()},
		{"formats", receiver.Properties["format"].Enum, receiverFormats},
		{"locales", receiver.Properties["locale"].Enum, locales},
		{"labels of the console", alert.Properties["labels"].PropertyNames.Not.Enum, reservedLabels},
	} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(tt.want)), slices.Sorted(slices.Values(tt.got))); diff != "" {
			t.Errorf("%s: grammar -, schema +\n%s", tt.what, diff)
		}
	}
	if got := s.Properties["alerts"].MaxItems; got != maxRules {
		t.Errorf("at most %d alerts in the schema", got)
	}
	if got := s.Properties["receivers"].MaxMembers; got != maxReceivers {
		t.Errorf("at most %d receivers in the schema", got)
	}
}
