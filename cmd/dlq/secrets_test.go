package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/docs"
	"deadletteroffice/ui"
)

// vault is a console whose secrets are known, and a viewer who asks it everything.
type vault struct {
	testing.TB
	url    string
	tokens map[ui.Role]string
	marks  []string // planted at the start: what no viewer may ever get
}

// openVault starts a console on the in-memory stand-in with secrets in every place that takes one: flags, the environment, the
// token file, receivers and compensations. One receiver answers with all that it was sent.
func openVault(t testing.TB) *vault {
	t.Helper()
	v := &vault{TB: t, tokens: map[ui.Role]string{}}
	mark := func(name string) string { return "MARK" + name + strings.Repeat("q7Zx", 5) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	echo := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "asked %s with %v", r.URL, r.Header)
	})}
	go func() { _ = echo.Serve(l) }()
	t.Cleanup(func() { _ = echo.Close() })

	dir := t.TempDir()
	lines := ""
	for _, role := range ui.Roles {
		token, line, err := ui.NewToken(ui.Token{Name: "some-" + string(role), Role: role})
		if err != nil {
			t.Fatal(err)
		}
		v.tokens[role] = token
		v.marks = append(v.marks, token, strings.Fields(line)[2])
		lines += line + "\n"
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(mark("signing")))
	variables := map[string]string{
		"OPS_URL":    "http://" + l.Addr().String() + "/hook/" + mark("path") + "?key=" + mark("query"),
		"OPS_SECRET": secret, "SETTLE_URL": "http://127.0.0.9:1/settle/" + mark("settle"), "SETTLE_SECRET": secret,
	}
	v.marks = append(v.marks, mark("path"), mark("query"), mark("signing"), mark("settle"), mark("broker"), strings.TrimPrefix(secret, "whsec_"))
	tokens, rules := filepath.Join(dir, "tokens"), filepath.Join(dir, "rules.yaml")
	for path, text := range map[string]string{tokens: lines, rules: vaultRules("")} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := environment{get: func(name string) string { return variables[name] }, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	c := serveDefaults()
	c.listen, c.data, c.rules, c.tokens = "127.0.0.1:0", filepath.Join(dir, "dlq.db"), rules, tokens
	c.allowLoopback, c.simulated, c.accessKey, c.secretKey = true, true, "console", mark("broker")
	ctx, cancel := context.WithCancel(context.Background())
	a, err := newApp(ctx, c, env, slog.New(slog.DiscardHandler))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	v.url = "http://" + a.listener.Addr().String()
	broker := a.market.(simulatedMarket).broker
	broker.Consume(simulated.Consumer{Group: "pay", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, MaxRetry: 1, Work: func(simulated.Seen) bool { return false }})
	broker.Produce(simulated.Message{Topic: "orders", Key: "PAY-1", Properties: map[string]string{"FAILURE_REASON": "oom"}, Body: []byte(`{"order":1}`)})
	for range 600 {
		if _, text := v.ask(ui.RoleViewer, "GET", "/api/v1/letters", ""); strings.Contains(text, "PAY-1") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	v.must(ui.RoleOperator, "POST", "/api/v1/receivers/ops/test", "")
	v.must(ui.RoleOperator, "POST", "/api/v1/letters/1/notes", `{"version":1,"note":"seen"}`)
	v.must(ui.RoleOperator, "POST", "/api/v1/operations", `{"kind":"discard","ids":["1"]}`)
	return v
}

// vaultRules is a rules file with secrets by reference, and one more receiver as it is given.
func vaultRules(more string) string {
	return "version: 1\nrules:\n  - {name: all, route: manual}\ncompensations:\n  settle: {url: env:SETTLE_URL, secret: env:SETTLE_SECRET}\n" +
		"receivers:\n  ops: {type: webhook, url: env:OPS_URL, secret: env:OPS_SECRET}\n" + more
}

func (v *vault) ask(role ui.Role, method, path, body string, headers ...string) (int, string) {
	v.Helper()
	r, err := http.NewRequest(method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+v.tokens[role])
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		v.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.Fatal(err)
	}
	return answer.StatusCode, fmt.Sprint(answer.Header) + string(text)
}

func (v *vault) must(role ui.Role, method, path, body string, headers ...string) {
	v.Helper()
	if status, text := v.ask(role, method, path, body, headers...); status/100 != 2 {
		v.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

// answers asks every GET of the API's description that a viewer may, with every id that a list before it named. It returns
// the answers by address.
func (v *vault) answers() map[string]string {
	v.Helper()
	var document struct {
		Paths map[string]map[string]yaml.Node `yaml:"paths"`
	}
	if err := yaml.Unmarshal(docs.OpenAPI, &document); err != nil {
		v.Fatal(err)
	}
	var paths []string
	for path, methods := range document.Paths {
		var get struct {
			Role      string `yaml:"x-role"`
			Operation string `yaml:"operationId"`
		}
		node, ok := methods["get"]
		if !ok {
			continue
		}
		if err := node.Decode(&get); err != nil {
			v.Fatal(err)
		}
		if ui.RoleViewer.May(ui.Role(get.Role)) && get.Operation != "streamEvents" { // which does not end; its events are those of the status
			paths = append(paths, path)
		}
	}
	if len(paths) < 30 {
		v.Fatalf("a viewer may ask only %d calls", len(paths))
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Count(a, "{") - strings.Count(b, "{") })
	ids := regexp.MustCompile(`"(?:id|version|number)":"?([A-Za-z0-9_]+)"?`)
	parameter := regexp.MustCompile(`\{[a-z_]+\}`)
	named := map[string][]string{} // by the path of a list
	out := map[string]string{}
	for _, path := range paths {
		wanted := []string{path}
		if at := parameter.FindStringIndex(path); at != nil {
			wanted = nil
			for _, id := range named[strings.TrimSuffix(path[:at[0]], "/")] {
				wanted = append(wanted, path[:at[0]]+id+path[at[1]:])
			}
		}
		for _, address := range wanted {
			status, text := v.ask(ui.RoleViewer, "GET", address, "")
			if status >= 500 {
				v.Errorf("%s: %d %s", address, status, text)
			}
			out[address] = text
			for _, m := range ids.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(named[path], m[1]) && len(named[path]) < 40 {
					named[path] = append(named[path], m[1])
				}
			}
		}
	}
	// What the versions of the rules say of each other.
	for _, version := range named["/api/v1/rules/versions"] {
		address := "/api/v1/rules/versions/" + version + "?against=1"
		_, out[address] = v.ask(ui.RoleViewer, "GET", address, "")
	}
	return out
}

// shows returns where an answer holds one of the marks.
func shows(answers map[string]string, marks []string) (where []string) {
	for address, text := range answers {
		for _, mark := range marks {
			if strings.Contains(text, mark) {
				at := strings.Index(text, mark)
				where = append(where, fmt.Sprintf("%s: …%s…", address, text[max(0, at-80):min(len(text), at+len(mark)+20)]))
			}
		}
	}
	slices.Sort(where)
	return where
}

// Whatever is planted, and wherever, no answer that a viewer can get has it.
func FuzzViewersGetNoSecret(f *testing.F) {
	v := openVault(f)
	for place := range 12 {
		f.Add(uint8(place), "s3cr3tMARKa1b2c3d4e5")
	}
	f.Add(uint8(1), "A%2Fb+c=d&e")
	f.Add(uint8(5), "x\": y, #")
	n := 0
	f.Fuzz(func(t *testing.T, place uint8, text string) {
		// A mark that no word of the program can be, of characters that a secret may have.
		mark := strings.Map(func(r rune) rune {
			if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", r) {
				return r
			}
			return -1
		}, text)
		n++
		mark = "Zq" + mark[:min(len(mark), 60)] + fmt.Sprintf("9Kx7vT3%dw", n)
		rules := vaultRules(map[uint8]string{
			0:  "  p: {type: slack, url: 'https://hooks.example.com/services/" + mark + "'}\n",
			1:  "  p: {type: webhook, url: 'https://hooks.example.com/x?sig=" + mark + "', secret: env:OPS_SECRET}\n",
			2:  "  p: {type: webhook, url: 'https://hooks.example.com/x?a=1&integration_key=" + mark + "#f'}\n",
			3:  "  p: {type: dingtalk, url: env:OPS_URL, secret: SEC" + mark + "}\n",
			4:  "  p: {type: webhook, url: 'https://me:" + mark + "@hooks.example.com/'}\n",
			5:  "# Access_Token=" + mark + "\n",
			6:  "  p: {type: feishu, url: env:OPS_URL, secret: '" + mark + "'}\n",
			7:  "  p: {type: webhook, url: 'https://hooks.example.com/" + mark + "/x', secret: whsec_" + mark + "}\n",
			8:  "  p: {type: wecom, url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + mark + "'} # key " + mark + "\n",
			9:  "# https://hooks.example.com/services/" + mark + "\n",
			10: "  p:\n    type: webhook\n    url: \"https://hooks.example.com/\\\n      " + mark + "\"\n",
			11: "  p: {type: webhook, url: >-\n      https://hooks.example.com/" + mark + "\n  }\n",
		}[place%12])
		body, err := json.Marshal(map[string]string{"text": rules, "note": "planted"})
		if err != nil {
			t.Fatal(err)
		}
		v.TB = t
		_, header := v.ask(ui.RoleAdmin, "GET", "/api/v1/rules", "")
		etag := regexp.MustCompile(`"etag":"([0-9a-f]+)"`).FindStringSubmatch(header)
		if etag == nil {
			t.Fatal("the rules have no etag")
		}
		// Saved or refused: either is an answer, and the file that is refused is shown too.
		v.ask(ui.RoleAdmin, "PUT", "/api/v1/rules", string(body), "If-Match: "+etag[1])
		for _, where := range shows(v.answers(), append([]string{mark}, v.marks...)) {
			t.Errorf("planted at %d: %s", place%12, where)
		}
	})
}
