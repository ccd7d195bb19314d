package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

const (
	deployRules     = "../../deploy/prometheus/rules.yaml"
	deployTests     = "../../deploy/prometheus/tests.yaml"
	deployDashboard = "../../deploy/grafana/dashboard.json"
)

// foreignMetrics are metrics that rules and panels use and other programs make.
var foreignMetrics = map[string]string{
	"up":                                  "Prometheus makes it of every target",
	"rocketmq_send_to_dlq_messages_total": "the brokers' own (RocketMQ 5.x): what they bury is held against what the console reads",
}

// expression is one PromQL text of the deploy folder.
type expression struct{ where, text string }

// alertRule is one rule as Prometheus reads it.
type alertRule struct {
	Alert               string
	Expr                string
	Labels, Annotations map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alertRule }
	}
	text, err := os.ReadFile(deployRules)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []alertRule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// panel is a panel of the dashboard, or a row.
type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource *struct{ Type, UID string }
	Targets    []struct {
		RefID      string
		Expr       string
		Datasource struct{ Type, UID string }
	}
	Panels []panel
}

type dashboard struct {
	ID         *int
	Templating struct {
		List []struct {
			Name, Type string
			Definition string
		}
	}
	Panels []panel
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(deployDashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// grafanaTimes are what Grafana puts in before it asks Prometheus.
var grafanaTimes = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$__interval", "1m")

// expressions are all of the dashboard's, as Prometheus gets them.
func (d dashboard) expressions() []expression {
	var all []expression
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, grafanaTimes.Replace(target.Expr)})
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			inner := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition)
			if inner == nil {
				inner = []string{"", "no_label_values_query", "x"}
			}
			all = append(all, expression{"variable " + v.Name, "count by (" + inner[2] + ") (" + inner[1] + ")"})
		}
	}
	return all
}

// registered is what a started console has in its registry: the labels of each metric, read from the descriptors. A
// counter with labels has no sample before its first use, but it is described.
func registered(t *testing.T) map[string][]string {
	t.Helper()
	env := environment{get: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: t.Output(), stderr: t.Output()}
	args := []string{"--namesrv", "127.0.0.1:1", "--data", filepath.Join(t.TempDir(), "dlq.db"), "--rules", "../../rules.yaml", "--listen", "127.0.0.1:0"}
	c, err := parseConfig("serve", args, env, serveDefaults(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), c, env, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	all := make(chan *prometheus.Desc)
	go func() {
		a.registry.Describe(all)
		close(all)
	}()
	shape := regexp.MustCompile(`^Desc\{fqName: "(\w+)",.* variableLabels: \{([^}]*)\}\}$`)
	found := map[string][]string{}
	for d := range all {
		m := shape.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("a descriptor is written in another way now: %s", d)
		}
		found[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
	}
	return found
}

var (
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	selector  = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*\{([^{}]*)\}`)
	nameMatch = regexp.MustCompile(`__name__=~"([^"]*)"`)
	matcher   = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)`)
	grouping  = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)`)
	ranges    = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+\w+`)
	word      = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\s*\(?`)
)

// names takes an expression's metrics out of it, the labels that are matched on each, and the labels that it groups by.
func names(e expression) (metrics map[string][]string, grouped []string) {
	metrics = map[string][]string{}
	text := e.text
	for _, m := range selector.FindAllStringSubmatch(text, -1) {
		matched := []string{}
		for _, l := range matcher.FindAllStringSubmatch(quoted.ReplaceAllString(m[2], `""`), -1) {
			matched = append(matched, l[1])
		}
		of := []string{m[1]}
		if list := nameMatch.FindStringSubmatch(m[2]); list != nil {
			of, matched = strings.Split(list[1], "|"), slices.DeleteFunc(matched, func(l string) bool { return l == "__name__" })
		}
		for _, name := range of {
			metrics[name] = append(metrics[name], matched...)
		}
	}
	text = quoted.ReplaceAllString(selector.ReplaceAllString(text, " "), " ")
	for _, m := range grouping.FindAllStringSubmatch(text, -1) {
		grouped = append(grouped, strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	text = ranges.ReplaceAllString(grouping.ReplaceAllString(text, " "), " ")
	for _, w := range word.FindAllString(text, -1) {
		if name := strings.TrimSpace(w); !strings.HasSuffix(name, "(") && !slices.Contains([]string{"and", "or", "unless", "bool", "inf", "nan"}, name) {
			metrics[name] = append(metrics[name], []string{}...)
		}
	}
	return metrics, grouped
}

// Every metric and label that the Prometheus rules and the dashboard name is one of a started console.
func TestDeployNamesRealMetrics(t *testing.T) {
	have := registered(t)
	all := readDashboard(t).expressions()
	for _, r := range alertRules(t) {
		all = append(all, expression{"alert " + r.Alert, r.Expr})
	}
	if len(all) < 50 {
		t.Fatalf("only %d expressions were found", len(all))
	}
	used := map[string]bool{}
	for _, e := range all {
		metrics, grouped := names(e)
		if len(metrics) == 0 {
			t.Errorf("%s: no metric in %s", e.where, e.text)
		}
		anywhere := []string{"job", "instance", "le"}
		foreign := false
		for name, matched := range metrics {
			if foreignMetrics[name] != "" {
				used[name], foreign = true, true
				continue
			}
			labels, ok := have[name]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, is := strings.CutSuffix(name, suffix); is && !ok {
					labels, ok = have[base]
				}
			}
			if !ok {
				t.Errorf("%s: the console has no metric %q", e.where, name)
				continue
			}
			for _, l := range matched {
				if !slices.Contains(labels, l) && !slices.Contains(anywhere[:2], l) {
					t.Errorf("%s: %s has no label %q, only %v", e.where, name, l, labels)
				}
			}
			anywhere = append(anywhere, labels...)
		}
		for _, l := range grouped {
			if !foreign && !slices.Contains(anywhere, l) {
				t.Errorf("%s: groups by %q, which no metric in it has", e.where, l)
			}
		}
	}
	for name := range foreignMetrics {
		if !used[name] {
			t.Errorf("nobody uses the foreign metric %s any more", name)
		}
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Fatal("there is no promtool: make setup installs it (Debian: prometheus)")
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// The rules load in a real Prometheus, their own tests pass, and each of them fires in one.
func TestDeployRules(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", deployRules)
	promtool(t, "test", "rules", deployTests)
	tests, err := os.ReadFile(deployTests)
	if err != nil {
		t.Fatal(err)
	}
	books := map[string]string{}
	for _, name := range []string{"docs/runbooks.md", "docs/runbooks.zh.md"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		books[name] = string(text)
	}
	for _, r := range alertRules(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: labels %v, annotations %v", r.Alert, r.Labels, r.Annotations)
		}
		if want := "docs/runbooks.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s: the runbook is %q, not %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		for name, text := range books {
			if !strings.Contains(text, "\n## "+r.Alert+"\n") {
				t.Errorf("%s has no section %s", name, r.Alert)
			}
		}
		if !regexp.MustCompile(`alertname: ` + r.Alert + `\n\s+exp_alerts:\n\s+- exp_labels`).Match(tests) {
			t.Errorf("no test sees %s fire", r.Alert)
		}
	}
	for name, text := range books {
		for _, m := range regexp.MustCompile(`(?m)^## (DLQ\w+)$`).FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(alertRules(t), func(r alertRule) bool { return r.Alert == m[1] }) {
				t.Errorf("%s speaks of %s, which no rule is", name, m[1])
			}
		}
	}
}

// The dashboard asks the data source that its reader chooses, nothing of ours, in PromQL that Prometheus understands.
func TestDeployDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.ID != nil {
		t.Error("the dashboard has a number of its own, which belongs to one Grafana")
	}
	var rows []string
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || len(p.Panels) > 0 {
			t.Errorf("panel %q: number %d, with %d panels in it", p.Title, p.ID, len(p.Panels))
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if p.Datasource == nil || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q: %+v", p.Title, p)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %q", p.Title, target.Datasource.UID)
			}
		}
	}
	if want := []string{"Overview", "By group", "Classifier", "Replay", "Handlers & webhooks", "Alerts", "Runtime"}; !slices.Equal(rows, want) {
		t.Errorf("rows %v", rows)
	}
	variables := map[string]bool{}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	if want := []string{"cluster", "consumer_group", "datasource"}; !slices.Equal(slices.Sorted(maps.Keys(variables)), want) {
		t.Errorf("variables %v", variables)
	}
	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []recording
	for i, e := range d.expressions() {
		rules = append(rules, recording{fmt.Sprintf("panel:%d", i), e.text})
		for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(e.text, -1) {
			if !variables[m[1]] {
				t.Errorf("%s uses $%s, which the dashboard does not have", e.where, m[1])
			}
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "panels.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// The service starts the program with flags that it has, and systemd, where there is one, understands the unit.
func TestDeployService(t *testing.T) {
	unit, err := os.ReadFile("../../deploy/dlq.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ExecStart=(\S+) (\S+) (.*)$`).FindSubmatch(unit)
	if m == nil || string(m[2]) != "serve" {
		t.Fatalf("ExecStart is %q", m)
	}
	if _, err := parseConfig("serve", strings.Fields(string(m[3])), environment{get: func(string) string { return "" }}, serveDefaults(), nil); err != nil {
		t.Errorf("ExecStart: %v", err)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd here to ask")
		return
	}
	file := filepath.Join(t.TempDir(), "dlq.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), string(m[1]), binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), "dlq.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
