package alerts

import (
	"os"
	"strings"
	"testing"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
)

// environment has the variables that the tests' files name.
func environment(name string) string {
	return map[string]string{"U": "https://ops.example/hook?key=hidden", "S": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "BAD": "gopher://x"}[name]
}

func check(t *testing.T, text string) []dlq.Diagnostic {
	t.Helper()
	root, found := yamlnode.Parse([]byte(text))
	if root == nil {
		t.Fatalf("%q is not read: %+v", text, found)
	}
	_, more := Compile(root, outside.From(environment))
	return yamlnode.Finish([]byte(text), append(found, more...))
}

func TestShippedFile(t *testing.T) {
	text, err := os.ReadFile("../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if found := check(t, string(text)); len(found) != 1 || found[0].Code != CodeReceiverOff || found[0].Severity != dlq.DiagnosticHint {
		t.Errorf("%+v", found)
	}
}

func TestGrammar(t *testing.T) {
	const ops = "receivers: {ops: {type: webhook, url: env:U}}\n"
	alert := func(s string) string { return ops + "alerts:\n- {name: a, receivers: [ops], " + s + "}\n" }
	for _, tt := range []struct{ name, text, want string }{
		{"nothing at all", "version: 1\n", ""},
		{"every receiver", "receivers: {a: {type: webhook, url: https://x, secret: env:S}, b: {type: dingtalk, url: env:U, secret: env:S}, c: {type: feishu, url: env:U}, d: {type: wecom, url: env:U}, e: {type: slack, url: env:U}, f: {type: alertmanager, url: env:U}}\n", ""},
		{"a receiver of no kind", "receivers: {a: {type: webhok, url: env:U}}\n", "unknown-value→webhook"},
		{"a receiver without address", "receivers: {a: {type: webhook}}\n", "missing-key→url: …"},
		{"a literal secret", "receivers: {a: {type: dingtalk, url: env:U, secret: hunter2}}\n", "literal-secret→env:NAME"},
		{"a literal secret that cannot sign", "receivers: {a: {type: webhook, url: env:U, secret: hunter2}}\n", "bad-receiver literal-secret→env:NAME"},
		{"a literal address that cannot be called", "receivers: {a: {type: webhook, url: 'https://x/#y'}}\n", "bad-receiver literal-secret→env:NAME"},
		{"a robot's literal address", "receivers: {a: {type: wecom, url: https://x/y}}\n", "literal-secret→env:NAME"},
		{"a host alone", "receivers: {a: {type: webhook, url: 'https://x:8443/'}}\n", ""},
		{"a literal that was blacked out", "receivers: {a: {type: webhook, url: 'https://x/••••••'}}\n", "receiver-off"},
		{"nothing in the environment", "receivers: {a: {type: slack, url: env:NONE}, b: {type: webhook, url: env:U, secret: env:NONE}}\n", "receiver-off receiver-off"},
		{"nonsense in the environment", "receivers: {a: {type: slack, url: env:BAD}, b: {type: webhook, url: env:U, secret: env:U}, c: {type: slack, url: file:/nowhere}}\n", "receiver-off receiver-off receiver-off"},
		{"every key", "receivers: {a: {type: webhook, url: env:U, secret: env:S, format: alertmanager, locale: both, wait: 0s, interval: 5m, repeat: 0s, resolved: false, per_minute: 3}}\n", ""},
		{"keys for nothing", "receivers: {a: {type: alertmanager, url: env:U, secret: env:S, format: native, locale: zh, wait: 1s, interval: 1s, repeat: 1s, resolved: true, per_minute: 3}}\n", "no-effect no-effect no-effect no-effect no-effect no-effect"},
		{"a time that is too long", "receivers: {a: {type: slack, url: env:U, wait: 2h, interval: 25h, repeat: 31d, per_minute: 0}}\n", "out-of-range out-of-range out-of-range out-of-range"},
		{"a locale and a format that are none", "receivers: {a: {type: webhook, url: env:U, locale: ch, format: v4}}\n", "unknown-value→zh unknown-value"},
		{"an unknown key", "receivers: {a: {type: webhook, url: env:U, secrets: env:S}}\n", "unknown-key→secret"},
		{"a count", alert("signal: open_letters, above: 100, by: [consumer_group, reason], for: 5m, keep_firing_for: 10m, severity: critical"), ""},
		{"a duration", alert("signal: oldest_open_age, above: 2h"), ""},
		{"a time left", alert("signal: expiry, below: 6h, where: {consumer_group: [pay, order]}"), ""},
		{"a ratio", alert("signal: unclassified_ratio, above: 20%"), ""},
		{"a flag", alert("signal: broker_unreachable, for: 1m, labels: {team: ops}, annotations: {summary: 集群不可达}"), ""},
		{"a disk", alert("signal: disk, above: 0.9"), ""},
		{"no signal", alert("above: 1"), "missing-key→signal: …"},
		{"an unknown signal", alert("signal: open_leters, above: 1"), "unknown-value→open_letters"},
		{"no threshold", alert("signal: open_letters"), "missing-key→above: …"},
		{"the wrong way", alert("signal: expiry, above: 6h"), "bad-threshold→below"},
		{"a flag with a threshold", alert("signal: rules_refused, above: 1"), "bad-threshold"},
		{"a count that is none", alert("signal: open_letters, above: many"), "bad-number"},
		{"a ratio beyond one", alert("signal: disk, above: 120%"), "bad-threshold"},
		{"a duration that is none", alert("signal: oldest_open_age, above: 5"), "bad-duration→5s"},
		{"an unknown label", alert("signal: open_letters, above: 1, by: [group, topics]"), "bad-label bad-label→topic"},
		{"a label that the signal has not", alert("signal: broker_unreachable, by: [consumer_group], where: {topic: t}"), "label-not-for-signal label-not-for-signal"},
		{"an unknown severity", alert("signal: open_letters, above: 1, severity: high"), "unknown-value"},
		{"an unknown receiver", ops + "alerts: [{name: a, signal: rules_refused, receivers: [opps]}]\n", "unknown-receiver→ops"},
		{"no receivers", ops + "alerts: [{name: a, signal: rules_refused}]\n", "missing-key→receivers: …"},
		{"no name, twice a name", ops + "alerts: [{signal: rules_refused, receivers: [ops]}, {name: a, signal: rules_refused, receivers: [ops]}, {name: a, signal: rules_refused, receivers: [ops]}]\n", "missing-key→name: … duplicate-name"},
		{"a mapping for a list", "alerts: {name: a}\nreceivers: [ops]\n", "wrong-type wrong-type"},
		{"off", alert("signal: rules_refused, off: true"), ""},
		{"off, or on?", alert("signal: rules_refused, off: perhaps"), "wrong-type"},
		{"a label that the console gives", alert("signal: rules_refused, labels: {severity: high, topic: t, team: a}"), "bad-label bad-label"},
		{"a label that is a tree", alert("signal: rules_refused, labels: {a: [b]}"), "wrong-type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range check(t, tt.text) {
				code := d.Code
				if d.Suggestion != "" {
					code += "→" + d.Suggestion
				}
				got = append(got, code)
				if d.Message.English == "" || d.Message.Chinese == "" || strings.Contains(d.Message.English+d.Message.Chinese, "%!") || strings.Contains(d.Message.English, "hunter2") {
					t.Errorf("message %+v", d.Message)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("found %s", strings.Join(got, " "))
			}
		})
	}
}

func FuzzGrammar(f *testing.F) {
	f.Add("receivers: {a: {type: webhook, url: env:U}}\nalerts: [{name: a, signal: disk, above: 0.9, by: [], where: {a: b}, receivers: [a]}]")
	f.Add("alerts: [{}, [], x, {labels: {a: }}]\nreceivers: {? [a] : b}")
	f.Fuzz(func(t *testing.T, text string) {
		root, found := yamlnode.Parse([]byte(text))
		if root == nil {
			return
		}
		lines := strings.Split(text, "\n")
		_, more := Compile(root, outside.From(environment))
		for _, d := range yamlnode.Finish([]byte(text), append(found, more...)) {
			if d.Line < 1 || d.Column < 1 || d.EndLine > len(lines)+strings.Count(text, "\r")+strings.Count(text, "\u0085")+strings.Count(text, "\u2028")+strings.Count(text, "\u2029") {
				t.Errorf("%+v is outside of the text", d)
			}
		}
	})
}
