package handlers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func compile(t *testing.T, text string, env map[string]string) (*Compensations, []dlq.Diagnostic) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return CompileCompensations(doc.Content[0], outside.From(func(name string) string { return env[name] }))
}

func TestCompileTheShippedSection(t *testing.T) {
	text := `
rules: []
compensations:
  settle: {url: env:DLQ_SETTLE_URL, secret: env:DLQ_SETTLE_SECRET, timeout: 10s, retry: {delay: 30s, backoff: 2, max: 8}}
`
	comps, found := compile(t, text, map[string]string{"DLQ_SETTLE_URL": " http://shop/settle\n", "DLQ_SETTLE_SECRET": testSecret})
	if len(found) != 0 {
		t.Errorf("%+v", found)
	}
	c := comps.byName["settle"]
	if c == nil || c.Disabled() || c.Timeout != 10*time.Second || c.Retry != (dlq.RetryPlan{Delay: dlq.Duration(30 * time.Second), Backoff: 2, Max: 8, MaxDelay: dlq.Duration(24 * time.Hour)}) {
		t.Fatalf("%+v", c)
	}
	url, secrets, err := c.target()
	if url != "http://shop/settle" || len(secrets) != 1 || err != nil {
		t.Errorf("%q, %v", url, err)
	}
	comps, found = compile(t, text, nil)
	if len(found) != 1 || found[0].Severity != dlq.DiagnosticHint || found[0].Code != DiagnosticCompensationOff || found[0].Line != 4 ||
		found[0].Message.English != "the compensation settle is not asked: the variable DLQ_SETTLE_URL is not set" ||
		found[0].Message.Chinese != "补偿 settle 不会被调用：环境变量 DLQ_SETTLE_URL 未设置" {
		t.Errorf("without variables: %+v", found)
	}
	if !comps.byName["settle"].Disabled() {
		t.Error("it is asked without a URL")
	}
}

func TestCompileCompensations(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"URL": "https://pay.example/x", "SECRET": testSecret, "BAD_URL": "gopher://x", "BAD_SECRET": "hunter2"}
	type want struct {
		codes []string // severity and code of each finding
		off   bool
		gone  bool // it is not in the result
	}
	for body, tt := range map[string]want{
		`{url: env:URL, secret: env:SECRET}`:                        {},
		`{url: "https://pay.example/x", secret: file:` + file + `}`: {codes: []string{"warning literal-secret"}},
		`{url: "https://pay.example", secret: env:SECRET}`:          {},
		`{url: "https://pay.example/••••••", secret: env:SECRET}`:   {codes: []string{"warning compensation-off"}, off: true},
		`{url: env:URL, secret: file:/no/such/file}`:                {codes: []string{"warning compensation-off"}, off: true},
		`{url: env:URL, secret: file:` + short + `}`:                {codes: []string{"warning compensation-off"}, off: true},
		`{url: env:URL, secret: env:NONE}`:                          {codes: []string{"hint compensation-off"}, off: true},
		`{url: env:NONE, secret: env:NONE}`:                         {codes: []string{"hint compensation-off"}, off: true},
		`{url: env:BAD_URL, secret: env:SECRET}`:                    {codes: []string{"warning compensation-off"}, off: true},
		`{url: env:URL, secret: env:BAD_SECRET}`:                    {codes: []string{"warning compensation-off"}, off: true},
		`{url: env:URL, secret: hunter2}`:                           {codes: []string{"warning literal-secret", "error bad-secret"}},
		`{url: env:URL, secret: ` + testSecret + `}`:                {codes: []string{"warning literal-secret"}},
		`{url: "ftp://x", secret: env:SECRET}`:                      {codes: []string{"error bad-url"}},
		`{url: "https://x/#y", secret: env:SECRET}`:                 {codes: []string{"warning literal-secret", "error bad-url"}},
		`{url: env:URL}`:       {codes: []string{"error missing-key"}},
		`{secret: env:SECRET}`: {codes: []string{"error missing-key"}},
		`{url: env:URL, secret: env:SECRET, time_out: 5s}`:          {codes: []string{"error unknown-key"}},
		`{url: env:URL, secret: env:SECRET, timeout: 61s}`:          {codes: []string{"error out-of-range"}},
		`{url: env:URL, secret: env:SECRET, timeout: 5}`:            {codes: []string{"error bad-duration"}},
		`{url: env:URL, secret: env:SECRET, retry: {max: 0}}`:       {codes: []string{"error out-of-range"}},
		`{url: env:URL, secret: env:SECRET, retry: {backoff: 0.5}}`: {codes: []string{"error out-of-range"}},
		`{url: env:URL, secret: env:SECRET, retry: {delay: 1ms}}`:   {codes: []string{"error out-of-range"}},
		`{url: env:URL, secret: env:SECRET, retry: 5}`:              {codes: []string{"error wrong-type"}},
		`[]`:   {codes: []string{"error wrong-type"}, gone: true},
		`null`: {codes: []string{"error missing-value"}, gone: true},
	} {
		t.Run(body, func(t *testing.T) {
			comps, found := compile(t, "compensations:\n  settle: "+body+"\n", env)
			var codes []string
			for _, d := range found {
				codes = append(codes, string(d.Severity)+" "+d.Code)
				if d.Line != 2 || d.Message.English == "" || d.Message.Chinese == "" {
					t.Errorf("finding %+v", d)
				}
				if s := d.Message.English + d.Message.Chinese + d.Suggestion; strings.Contains(s, "hunter2") || strings.Contains(s, testSecret) {
					t.Errorf("a finding tells a secret: %s", s)
				}
			}
			if diff := cmp.Diff(tt.codes, codes); diff != "" {
				t.Error(diff)
			}
			c := comps.byName["settle"]
			if (c == nil) != tt.gone {
				t.Fatalf("compensation %+v", c)
			}
			if c == nil || slices.ContainsFunc(codes, func(s string) bool { return strings.HasPrefix(s, "error") }) {
				return // a file with an error comes into force never
			}
			if c.Disabled() != tt.off {
				t.Errorf("off: %v", c.Disabled())
			}
		})
	}
}

func TestCompileNothing(t *testing.T) {
	for _, text := range []string{"rules: []", "compensations:", "compensations: {}"} {
		if comps, found := compile(t, text, nil); len(comps.Names()) != 0 || len(found) != 0 {
			t.Errorf("%q: %v, %+v", text, comps.Names(), found)
		}
	}
	if _, found := compile(t, "compensations: []", nil); len(found) != 1 {
		t.Errorf("a list: %+v", found)
	}
	if comps, _ := CompileCompensations(nil, outside.From(os.Getenv)); comps == nil {
		t.Error("no document")
	}
}

// A secret in a file can be changed while the console runs.
func TestSecretFilesAreReadEachTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(testSecret)
	comps, found := compile(t, "compensations:\n  a: {url: https://x/, secret: file:"+file+"}\n", nil)
	if len(found) != 0 {
		t.Fatalf("%+v", found)
	}
	c := comps.byName["a"]
	write(testSecret + " " + testSecret)
	if _, secrets, err := c.target(); len(secrets) != 2 || err != nil {
		t.Errorf("%d secrets, %v", len(secrets), err)
	}
	write("")
	if _, _, err := c.target(); err == nil {
		t.Error("an empty secret signs")
	}
}

func TestLiveCompensations(t *testing.T) {
	live := &LiveCompensations{}
	if live.Enabled("a") || live.Names() != nil {
		t.Error("something is in force before the first rules")
	}
	comps, _ := compile(t, "compensations:\n  b: {url: env:U, secret: env:S}\n  a: {url: https://x/, secret: env:S}\n", map[string]string{"S": testSecret})
	live.Swap(comps)
	if !live.Enabled("a") || live.Enabled("b") || live.Enabled("c") {
		t.Error("enabled")
	}
	if diff := cmp.Diff([]string{"a", "b"}, live.Names()); diff != "" {
		t.Error(diff)
	}
}
