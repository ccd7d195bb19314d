package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"deadletteroffice/dlq"
	"deadletteroffice/store"
)

// result is what a person sees of one command.
type result struct {
	status      int
	out, errout string
}

func try(t *testing.T, vars map[string]string, stdin string, args ...string) result {
	t.Helper()
	var out, errout bytes.Buffer
	env := environment{get: func(k string) string { return vars[k] }, stdin: strings.NewReader(stdin), stdout: &out, stderr: &errout}
	status := run(context.Background(), args, env)
	return result{status, out.String(), errout.String()}
}

func TestWrongUseSaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		args []string
		vars map[string]string
		want string
	}{
		{nil, nil, "Usage: dlq COMMAND"},
		{[]string{"surf"}, nil, `there is no command "surf"`},
		{[]string{"serve", "--nosuch"}, nil, "-nosuch"},
		{[]string{"serve", "extra"}, nil, `takes no argument, but got "extra"`},
		{[]string{"serve", "--namesrv", "nowhere"}, nil, "is not host:port, for example 127.0.0.1:9876"},
		{[]string{"serve", "--namesrv", "host:99999"}, nil, "port between 1 and 65535"},
		{[]string{"serve", "--listen", "8642"}, nil, "is not host:port"},
		{[]string{"serve", "--listen", "0.0.0.0:8642"}, nil, "token"},
		{[]string{"serve", "--public-url", "dlq.example.com"}, nil, "https://dlq.example.com"},
		{[]string{"serve", "--allow-egress", "10.0.0.0/8"}, nil, "not among those that can be opened"},
		{[]string{"serve", "--listen-cert", "x.pem"}, nil, "belong together"},
		{[]string{"serve", "--trusted-proxy", "proxy.example"}, nil, "neither a range"},
		{[]string{"serve", "--retention", "soon"}, nil, "for example 30d"},
		{[]string{"serve", "--log-level", "loud"}, nil, "debug, info, warn, error"},
		{[]string{"serve", "--log-format", "xml"}, nil, "neither text nor json"},
		{[]string{"serve", "--access-key", "me"}, nil, "belong together"},
		{[]string{"serve", "--access-key", "me", "--secret-key", "in the clear"}, nil, "env:NAME or file:PATH"},
		{[]string{"serve", "--tls-ca", "x.pem"}, nil, "without --tls"},
		{[]string{"serve", "--tls", "--tls-cert", "x.pem"}, nil, "belong together"},
		{[]string{"serve", "--tls-skip-verify"}, nil, "without --tls"},
		{[]string{"serve", "--tls", "--tls-skip-verify", "--tls-server-name", "x"}, nil, "checks no name"},
		{[]string{"serve"}, map[string]string{"DLQ_RETENTION": "x"}, "for example 30d"},
		{[]string{"serve"}, map[string]string{"DLQ_TLS": "perhaps"}, "DLQ_TLS"},
		{[]string{"demo"}, nil, "--simulated"},
		{[]string{"demo", "heal"}, nil, "which faults"},
		{[]string{"demo"}, map[string]string{"DLQ_SHOP_EVERY": "often", "DLQ_NAMESRV": "127.0.0.1:1"}, "DLQ_SHOP_EVERY"},
		{[]string{"token"}, nil, "dlq token new NAME --role ROLE"},
		{[]string{"token", "new", "alice"}, nil, "a name and one of the roles"},
		{[]string{"token", "new", "alice", "--role", "king"}, nil, `no role "king"`},
		{[]string{"rules"}, nil, "dlq rules check FILE"},
		{[]string{"rules", "explain", "x"}, nil, "dlq rules explain FILE MESSAGE"},
	} {
		got := try(t, tt.vars, "", tt.args...)
		if got.status != 2 || !strings.Contains(got.errout, tt.want) {
			t.Errorf("dlq %s %v: status %d, %q; want status 2 and %q", strings.Join(tt.args, " "), tt.vars, got.status, got.errout, tt.want)
		}
	}
}

func TestFlagsAreFewAndHaveTwins(t *testing.T) {
	n := 0
	count := func(set *flag.FlagSet) { set.VisitAll(func(*flag.Flag) { n++ }) }
	c, err := parseConfig("serve", nil, environment{get: func(k string) string {
		return map[string]string{"DLQ_NAMESRV": "a:1;b:2", "DLQ_LISTEN": "127.0.0.1:1", "DLQ_DATA": "d", "DLQ_RULES": "r", "DLQ_PUBLIC_URL": "http://x", "DLQ_TOKENS": "t",
			"DLQ_ACCESS_KEY": "k", "DLQ_SECRET_KEY": "env:S", "S": "secret", "DLQ_TLS": "true", "DLQ_LOG_LEVEL": "error", "DLQ_LOG_FORMAT": "json", "DLQ_RETENTION": "2d", "DLQ_ALLOW_LOOPBACK": "true"}[k]
	}}, serveDefaults(), count)
	if err != nil {
		t.Fatal(err)
	}
	if n > 30 {
		t.Errorf("serve has %d flags", n)
	}
	if !slices.Equal(c.nameServers, []string{"a:1", "b:2"}) || c.listen != "127.0.0.1:1" || c.data != "d" || c.rules != "r" || c.publicURL != "http://x" || c.tokens != "t" ||
		c.accessKey != "k" || c.secretKey != "secret" || !c.tls || c.logFormat != "json" || dlq.Duration(c.retention).String() != "2d" || !c.allowLoopback {
		t.Errorf("the environment gives %+v", c)
	}
	c, err = parseConfig("serve", []string{"--data", "flag"}, environment{get: func(k string) string { return map[string]string{"DLQ_DATA": "twin"}[k] }}, serveDefaults(), nil)
	if err != nil || c.data != "flag" {
		t.Errorf("a flag does not win over its twin: %q, %v", c.data, err)
	}
}

// Names with a % are taken as they are, and a query as copied from the page as it is too.
func TestFilterTakesNamesWithPercents(t *testing.T) {
	for given, want := range map[string]string{
		"consumer_group=MQ_INST_1%GID_order&tab=attention": "consumer_group=MQ_INST_1%25GID_order&tab=attention",
		"q=%DLQ%pay":              "q=%25DLQ%25pay",
		"q=%E8%AE%A2%E5%8D%95+7":  "q=%E8%AE%A2%E5%8D%95+7",
		"consumer_group=a%ADb":    "consumer_group=a%25ADb",
		"consumer_group=a%25GID":  "consumer_group=a%25GID",
		"tab=attention&reason=up": "tab=attention&reason=up",
	} {
		w, err := parseReplay([]string{"--filter", given}, environment{get: func(string) string { return "" }})
		if err != nil || w.filter != want {
			t.Errorf("%s: %+v, %v", given, w, err)
		}
	}
}

func TestRulesCommands(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(bad, []byte("version: 1\nrules:\n  - name: x\n    rout: manual\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := try(t, nil, "", "rules", "check", "../../rules.yaml"); got.status != 0 || !strings.Contains(got.out, "no errors") {
		t.Errorf("the shipped rules: %+v", got)
	}
	got := try(t, nil, "", "rules", "check", bad)
	if got.status != 1 || !strings.Contains(got.out, bad+":4:5: error:") || !strings.Contains(got.out, "route") {
		t.Errorf("bad rules: %+v", got)
	}
	if zh := try(t, map[string]string{"LANG": "zh_CN.UTF-8"}, "", "rules", "check", bad); !regexp.MustCompile(`\p{Han}`).MatchString(zh.out) {
		t.Errorf("bad rules in Chinese: %+v", zh)
	}
	var found []dlq.Diagnostic
	if err := json.Unmarshal([]byte(try(t, nil, "", "rules", "check", "--json", bad).out), &found); err != nil || len(found) == 0 || found[len(found)-1].Line != 4 {
		t.Errorf("bad rules in JSON: %+v, %v", found, err)
	}
	if got := try(t, nil, "", "rules", "check", "nowhere.yaml"); got.status != 1 || !strings.Contains(got.errout, "there is no file nowhere.yaml") {
		t.Errorf("a missing file: %+v", got)
	}
	message := `{"consumer_group":"pay","topic":"orders","properties":{"FAILURE_REASON":"network_timeout"},"body":{"order_id":7}}`
	got = try(t, nil, message, "rules", "explain", "../../rules.yaml", "-")
	for _, want := range []string{"reason: network_timeout (property, property.FAILURE_REASON)", "passing troubles heal by themselves", "route: retry"} {
		if got.status != 0 || !strings.Contains(got.out, want) {
			t.Errorf("explain lacks %q: %+v", want, got)
		}
	}
	if got := try(t, nil, "no JSON", "rules", "explain", "../../rules.yaml", "-"); got.status != 2 || !strings.Contains(got.errout, "is not a message in JSON") {
		t.Errorf("explain of no message: %+v", got)
	}
	if got := try(t, nil, message, "rules", "explain", bad, "-"); got.status != 2 || !strings.Contains(got.errout, "has errors: line") {
		t.Errorf("explain with bad rules: %+v", got)
	}
}

func TestRulesDiff(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := write("a.yaml", "version: 1\nrules: []\nreceivers: {a: {secret: hunter1}}\n"), write("b.yaml", "version: 1\n# more\nrules: []\nreceivers: {a: {secret: hunter1}}\n")
	third := write("c.yaml", "version: 1\nrules: []\nreceivers: {a: {secret: hunter2}}\n")
	data := filepath.Join(dir, "dlq.db")
	s, err := store.Open(t.Context(), store.Options{Path: data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddRuleVersion(t.Context(), dlq.RuleVersion{SHA256: sum([]byte("version: 1\nrules: []\nreceivers: {a: {secret: hunter1}}\n")), Text: "version: 1\nrules: []\nreceivers: {a: {secret: ••••••}}\n", Author: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{first, first}, 0, ""},
		{[]string{first, second}, 1, "--- " + first + "\n+++ " + second + "\n@@ -1,3 +1,4 @@\n version: 1\n+# more\n rules: []\n receivers: {a: {secret: ••••••}}\n"},
		{[]string{first, third}, 1, "only literal secrets or line ends differ\n"},
		{[]string{first, "--data", data}, 0, ""},
		{[]string{"--data", data, second}, 1, "--- version 1, in force\n"},
		{[]string{"--json", first, third}, 1, `"same": false`},
		{[]string{first, "--data", filepath.Join(dir, "none.db")}, 1, ""},
		{[]string{first, second, "--data", data}, 2, ""},
		{[]string{first}, 2, ""},
	} {
		got := try(t, nil, "", append([]string{"rules", "diff"}, tt.args...)...)
		if got.status != tt.status || !strings.Contains(got.out, tt.want) || strings.Contains(got.out, "hunter") {
			t.Errorf("%v: %+v", tt.args, got)
		}
	}
}

func TestTokenNew(t *testing.T) {
	for _, args := range [][]string{{"token", "new", "alice", "--role", "operator"}, {"token", "new", "--role", "operator", "alice"}} {
		got := try(t, nil, "", args...)
		if got.status != 0 || !regexp.MustCompile(`^alice operator [0-9a-f]{64}\n$`).MatchString(got.out) {
			t.Errorf("%v: %+v", args, got)
		}
		if token := regexp.MustCompile(`dlq_[0-9A-Za-z]{43}`).FindString(got.errout); token == "" || strings.Contains(got.out, token) {
			t.Errorf("%v: the token is not on standard error alone: %+v", args, got)
		}
	}
}

// A console without a cluster: the page works, says what to set, and stops in order.
func TestConsoleWithoutACluster(t *testing.T) {
	data := filepath.Join(t.TempDir(), "dlq.db")
	c := startConsole(t, data, freeAddress(t))
	var status struct{ Cluster dlq.ClusterStatus }
	if err := c.get("/status", &status); err != nil || status.Cluster.Reachable || !strings.Contains(status.Cluster.Error, "no name server is set") {
		t.Errorf("status: %+v, %v", status, err)
	}
	second := launch(t, "serve", "--data", data, "--listen", freeAddress(t), "--rules", "../../rules.yaml")
	<-second.exited
	if code := second.command.ProcessState.ExitCode(); code != 1 || !strings.Contains(second.log(), "another process") && !strings.Contains(second.log(), "in use") {
		t.Errorf("a second console on the same file: status %d, %s", code, second.log())
	}
	checkMetrics(t, c)
	if code := c.stop(); code != 0 {
		t.Errorf("exit status %d after an orderly stop: %s", code, c.log())
	}
}

// checkMetrics holds the names and labels of /metrics to Prometheus' own rules and looks for the ones that are always there.
func checkMetrics(t *testing.T, c *console) {
	t.Helper()
	answer, err := http.Get(c.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "dlq_") {
			t.Errorf("metric %s: %s", p.Metric, p.Text)
		}
	}
	for _, name := range []string{"dlq_build_info", "dlq_config_last_reload_successful", "dlq_config_last_reload_success_timestamp_seconds", "dlq_db_size_bytes",
		"dlq_sqlite_wal_bytes", "dlq_sqlite_busy_total", "dlq_sqlite_tx_duration_seconds", "dlq_queue_depth", "dlq_http_requests_total", "dlq_http_request_duration_seconds",
		"dlq_alerts", "dlq_operations", "dlq_alert_evaluations_total", "dlq_alert_last_evaluation_timestamp_seconds"} {
		if !bytes.Contains(text, []byte("# TYPE "+name+" ")) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
}

// The folders that the README names exist, and every package is in its table.
func TestReadmeNamesTheRooms(t *testing.T) {
	for _, file := range []string{"../../README.md", "../../README.zh.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > 150 {
			t.Errorf("%s has %d lines", file, n)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllSubmatch(text, -1) {
			path := string(link[1])
			if !strings.Contains(path, "://") {
				if _, err := os.Stat(filepath.Join("../..", path)); err != nil {
					t.Errorf("%s leads to %s, which is not there", file, path)
				}
			}
		}
		rooms, err := os.ReadDir("../..")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rooms {
			if name := r.Name(); r.IsDir() && !strings.HasPrefix(name, ".") && !slices.Contains([]string{"bin", "data", "cmd", "docs"}, name) && !bytes.Contains(text, []byte("`"+name)) {
				t.Errorf("%s does not name the folder %s", file, name)
			}
		}
	}
}

func TestLinksInMessagesLeadSomewhere(t *testing.T) {
	for _, tt := range []struct{ listen, public, want string }{
		{"127.0.0.1:8642", "", "http://127.0.0.1:8642"},
		{"dlq.example:8642", "", "http://dlq.example:8642"},
		{"127.0.0.1:8642", "https://dlq.example", "https://dlq.example"},
		{"0.0.0.0:8642", "", ""},
		{"[::]:8642", "", ""},
		{":8642", "", ""},
	} {
		if got := linkBase(config{listen: tt.listen, publicURL: tt.public}); got != tt.want {
			t.Errorf("listening on %s, public %q: %q, want %q", tt.listen, tt.public, got, tt.want)
		}
	}
}
