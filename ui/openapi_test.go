package ui

import (
	"context"
	"encoding"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	return doc
}

var echoParam = regexp.MustCompile(`:([a-z_]+)`)

// The table of routes and the document name the same calls, with the same operation ids and roles.
func TestRoutesStandInTheDocument(t *testing.T) {
	doc := loadDocument(t)
	served := map[string]string{}
	operations := map[string]bool{}
	for _, r := range newAPI(t, nil).routes() {
		if r.operation == "" || r.role == "" || r.serve == nil {
			t.Errorf("%s %s lacks an operation id, a role or a handler", r.method, r.path)
		}
		if r.role != RolePublic && !slices.Contains(Roles, r.role) {
			t.Errorf("%s %s: there is no role %q", r.method, r.path, r.role)
		}
		if operations[r.operation] {
			t.Errorf("the operation id %s is used twice", r.operation)
		}
		operations[r.operation] = true
		served[r.method+" "+echoParam.ReplaceAllString(r.path, "{$1}")] = r.operation + " " + string(r.role)
	}
	described := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			described[method+" "+path] = fmt.Sprintf("%s %v", op.OperationID, op.Extensions["x-role"])
		}
	}
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("the document (-) and the server (+) differ:\n%s", diff)
	}
}

// Writes that cannot be undone by reading must not be open to those who read.
func TestWritesAskForMoreThanAViewer(t *testing.T) {
	for _, r := range newAPI(t, nil).routes() {
		if r.method != http.MethodGet && r.role != RolePublic && RoleViewer.May(r.role) {
			t.Errorf("%s %s may be done by a viewer", r.method, r.path)
		}
	}
}

// Each noun of the house has the properties in the document that it has in JSON, required exactly where they are always there.
func TestSchemasMatchTheNouns(t *testing.T) {
	doc := loadDocument(t)
	nouns := []any{dlq.Letter{}, dlq.Detail{}, dlq.Death{}, dlq.Replay{}, dlq.Receipt{}, dlq.Event{}, dlq.Call{}, dlq.CallRef{}, dlq.Attempt{},
		dlq.Page{}, dlq.Count{}, dlq.Facet{}, dlq.Facets{}, dlq.Summary{}, dlq.GroupInfo{}, dlq.GroupClient{}, dlq.Capabilities{},
		dlq.TopicInfo{}, dlq.ClusterStatus{}, dlq.BrokerState{}, dlq.Gap{}, dlq.Automation{}, dlq.ReplayOptions{}, dlq.DoorOption{}, dlq.DelayOption{},
		dlq.RuleVersion{}, dlq.RuleHits{}, dlq.Diagnostic{}, dlq.Text{}, dlq.Verdict{}, dlq.RetryPlan{}, dlq.CompensationPlan{},
		dlq.Clause{}, dlq.RuleTrace{}, dlq.Explanation{}, dlq.Judgement{}, dlq.ReplayRequest{},
		dlq.Alert{}, dlq.AlertRule{}, dlq.AlertValue{}, dlq.Receiver{}, dlq.AlertEvent{}, dlq.AlertGroup{}, dlq.Silence{}, dlq.Notification{},
		dlq.Delivery{}, dlq.DeliveryAttempt{}, dlq.DeliveryPage{}, Alerts{}, AlertsStatus{}, dlq.FileStatus{}, dlq.FileOrigin{},
		dlq.Operation{}, dlq.OperationSpec{}, dlq.ReplaySpec{}, dlq.Target{}, dlq.Pace{}, dlq.Canary{}, dlq.Brake{}, dlq.ReplayWindow{},
		dlq.TransformStep{}, dlq.TransformSample{}, dlq.OperationPreview{}, dlq.DoorPreview{}, dlq.ConsumerPreview{}, dlq.CausePreview{},
		dlq.OperationDrift{}, dlq.OperationItem{}, dlq.OperationPoint{}, dlq.OperationEvent{}, dlq.OperationPage{}, dlq.ItemPage{},
		dlq.Edit{}, dlq.Editable{}, dlq.EditableProperty{}, dlq.Probe{}, OperationHistory{}, Edited{}, Probed{},
		Problem{}, Session{}, OpenSession{}, KnownToken{}, Status{}, RulesStatus{}, StoreStatus{}, IntakeStatus{}, DemoStatus{}, Replayed{}, ActionResult{},
		ConsumerGroup{}, Rules{}, RulesRefusal{}, RulesNow{}, RuleLine{}, AlertLine{}, RulesCheck{}, EditedRules{}, Backtest{}, BacktestCount{},
		BacktestRule{}, BacktestLetters{}, BacktestLetter{}, RuleVersions{}, RuleVersionDetail{}, RuleCompletions{}, rulebook.Writable{}, ReportResult{}}
	for _, noun := range nouns {
		typ := reflect.TypeOf(noun)
		ref := doc.Components.Schemas[typ.Name()]
		if ref == nil {
			t.Errorf("the document has no schema %s", typ.Name())
			continue
		}
		fields, required := jsonNames(typ)
		var described []string
		for name := range ref.Value.Properties {
			described = append(described, name)
		}
		slices.Sort(described)
		if diff := cmp.Diff(described, fields); diff != "" {
			t.Errorf("%s: the document (-) and the noun (+) differ:\n%s", typ.Name(), diff)
		}
		wanted := slices.Clone(ref.Value.Required)
		slices.Sort(wanted)
		if diff := cmp.Diff(wanted, required); diff != "" {
			t.Errorf("%s: the required properties of the document (-) and of the noun (+) differ:\n%s", typ.Name(), diff)
		}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if p := ref.Value.Properties[name]; p != nil {
				if want, got := jsonType(typ.Field(i)), schemaType(p.Value); want != got {
					t.Errorf("%s.%s is %s in JSON, and %s in the document", typ.Name(), name, want, got)
				}
			}
		}
	}
}

func jsonNames(t reflect.Type) (fields, required []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			inner, must := jsonNames(f.Type)
			fields, required = append(fields, inner...), append(required, must...)
		case name != "" && name != "-":
			fields = append(fields, name)
			if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
				required = append(required, name)
			}
		}
	}
	slices.Sort(fields)
	slices.Sort(required)
	return fields, required
}

func jsonType(f reflect.StructField) string {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case t == reflect.TypeFor[time.Time](), t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), strings.Contains(options, "string"):
		return "string"
	case t == reflect.TypeFor[[]byte]():
		return "string"
	case t.Kind() == reflect.Slice:
		return "array"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "object"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.String:
		return "string"
	default:
		return "integer"
	}
}

func schemaType(s *openapi3.Schema) string {
	for s.Type == nil && len(s.AllOf) == 1 {
		s = s.AllOf[0].Value
	}
	if s.Type == nil || len(s.Type.Slice()) != 1 {
		return "?"
	}
	return s.Type.Slice()[0]
}

// Every value of a closed set stands in the document, so that readers can rely on it.
func TestEnumsMatchTheNouns(t *testing.T) {
	doc := loadDocument(t)
	check := func(name string, values ...string) {
		var described []string
		for _, v := range doc.Components.Schemas[name].Value.Enum {
			described = append(described, v.(string))
		}
		slices.Sort(described)
		slices.Sort(values)
		if diff := cmp.Diff(described, values); diff != "" {
			t.Errorf("%s: the document (-) and the nouns (+) differ:\n%s", name, diff)
		}
	}
	check("State", texts(dlq.States)...)
	check("Tab", texts(dlq.Tabs)...)
	check("FileState", texts(dlq.FileStates)...)
	check("Route", texts(dlq.Routes)...)
	check("Severity", texts(dlq.Severities)...)
	check("Flag", texts(dlq.Flags)...)
	check("ReasonOrigin", texts(dlq.ReasonOrigins)...)
	check("Door", texts(doors)...)
	check("DeliveryState", texts(deliveryStates)...)
	check("OperationKind", texts(dlq.OperationKinds)...)
	check("OperationState", texts(dlq.OperationStates)...)
	check("ItemState", texts(dlq.ItemStates)...)
	check("TargetKind", texts(dlq.TargetKinds)...)
	check("TransformDo", string(dlq.TransformSet), string(dlq.TransformRemove), string(dlq.TransformRename), string(dlq.TransformSetProperty), string(dlq.TransformRemoveProperty))
	var codes []string
	for code := range statuses {
		codes = append(codes, string(code))
	}
	check("Code", codes...)
}

func texts[T ~string](list []T) (out []string) {
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}
