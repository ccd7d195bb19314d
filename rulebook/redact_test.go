package rulebook

import (
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// What vendors and people write into rules files, and what is shown of it.
func TestRedactAddressesAndComments(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"url: https://h.example\n", "url: https://h.example\n"},
		{"url: https://h.example:8443/\n", "url: https://h.example:8443/\n"},
		{"url: https://h.example/hook/T0/abc # why\n", "url: https://h.example/•••••• # why\n"},
		{"r: {type: slack, url: https://hooks.slack.com/services/T0/B0/xyz}\n", "r: {type: slack, url: https://hooks.slack.com/••••••}\n"},
		{"url: 'https://a.azure.example/api?api-version=1&sp=x&sig=abc'\n", "url: 'https://a.azure.example/••••••'\n"},
		{"url: \"https://h.example/x?integration_key=abc\"\n", "url: \"https://h.example/••••••\"\n"},
		{"url: https://h.example?Access_Token=abc\n", "url: https://h.example/••••••\n"},
		{"url: https://user@h.example\n", "url: https://h.example/••••••\n"},
		{"url: https://user:pass@h.example:1/x#y\n", "url: https://h.example:1/••••••\n"},
		{"url: \"https:\\x2f/h.example/tok\"\n", "url: ••••••\n"},
		{"url: \"https:\\/\\/h.example\\/tok\"\n", "url: ••••••\n"},
		{"url: h.example/hook/tok\n", "url: ••••••\n"},
		{"url: env:URL\nsecret: file:/run/s\n", "url: env:URL\nsecret: file:/run/s\n"},
		{"webhook: >-\n  https://h.example/\n  tok\nb: c\n", "webhook: >-\n  ••••••\n  ••••••\nb: c\n"},
		{"Access_Token: abc\nintegration_key: abc\nroutingKey: abc\napi-key: abc\nsig: abc\n", "Access_Token: ••••••\nintegration_key: ••••••\nroutingKey: abc\napi-key: ••••••\nsig: ••••••\n"},
		{"annotations: {dash: 'https://g.example/d/x?token=abc', note: 'token=abc now'}\n", "annotations: {dash: 'https://g.example/••••••', note: 'token=•••••• now'}\n"},
		{"# was https://h.example/hook/abc, sig=abc\na: b # token=abc and password: abc\n", "# was https://h.example/•••••• sig=••••••\na: b # token=•••••• and password: ••••••\n"},
		{"# Bearer abcdefghijk\n# whsec_abcdefghijk\n# old: 9f8e7d6c5b4a39281706f5e4d3c2\n", "# Bearer ••••••\n# whsec_••••••\n# old: ••••••\n"},
		{"# an-honest-comment-of-some-length-here\na: b\n", "# an-honest-comment-of-some-length-here\na: b\n"},
		{"rules:\n  - name: a\n    match: {body.url: {prefix: 'https://h.example/x'}, body.q: {contains: 'token=abc'}}\n    manual: {runbook: 'https://wiki.example/a/b'}\n",
			"rules:\n  - name: a\n    match: {body.url: {prefix: 'https://h.example/x'}, body.q: {contains: 'token=••••••'}}\n    manual: {runbook: 'https://wiki.example/a/b'}\n"},
		{"a: [\nurl: https://h.example/tok\n# key=abc\n", "a: [\nurl: https://h.example/••••••\n# key=••••••\n"},
	} {
		got := Redact([]byte(tt.text))
		if got != tt.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", tt.text, got, tt.want)
		}
		if again := Redact([]byte(got)); again != got {
			t.Errorf("once more: %q became %q", got, again)
		}
	}
}

// What is shown of an address can be saved again, and rolled back to: the secret is the one at its place in the file.
func TestSecretsOfVersionsComeFromTheFile(t *testing.T) {
	first := "version: 1\na: {url: https://h.example/hook/tok1, secret: s1} # key=k1\nb: x\n"
	d := loaded(t, first)
	if text := d.versions.list[0].Text; strings.Contains(text, "tok1") || strings.Contains(text, "s1}") || strings.Contains(text, "k1") || d.versions.list[0].SHA256 != sha([]byte(first)) {
		t.Errorf("kept %q", text)
	}
	if _, err := d.save(t, strings.Replace(d.File().Text, "b: x", "b: y", 1)); err != nil {
		t.Fatal(err)
	}
	if got, want := d.onDisk(t), strings.Replace(first, "b: x", "b: y", 1); got != want {
		t.Errorf("saved %q, want %q", got, want)
	}
	if _, err := d.save(t, d.versions.list[0].Text); err != nil || d.onDisk(t) != first || d.versions.list[2].SHA256 != d.versions.list[0].SHA256 {
		t.Errorf("rolled back to %q: %v", d.onDisk(t), err)
	}
	// A secret that is in no file any more cannot come back.
	d.write(t, "version: 1\na: {url: env:U, secret: env:S}\nb: x\n")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.save(t, d.versions.list[0].Text); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("a secret came from nowhere: %v, %q", err, d.onDisk(t))
	}
}

// Versions that were kept with their secrets lose them at the next start, also when the file is bad; the last good version
// takes what it needs from the file.
func TestVersionsFromBeforeAreCleaned(t *testing.T) {
	whole := "version: 1\na: {secret: s1}\nb: x\n"
	d := newDesk(t, "version: 1\na: {secret: s1}\nb: bad\n")
	d.versions.list = []dlq.RuleVersion{{Version: 1, SHA256: sha([]byte(whole)), Text: whole, At: time.Now()}}
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := d.Current(); now.Version.Version != 1 || now.Refused == nil || strings.Contains(now.Version.Text, "s1") || strings.Contains(d.versions.list[0].Text, "s1") {
		t.Errorf("%+v, kept %q", now, d.versions.list[0].Text)
	}
	if d.inForce != whole {
		t.Errorf("in force is %q", d.inForce)
	}
}

// Whatever stands before them, an endpoint's address and a comment do not show their secrets.
func FuzzRedact(f *testing.F) {
	const secret = "Zk9qTw7pLx3VbN5m"
	for _, s := range []string{"", "a: [", "secret: |\n  x", "a: \"", "a: 'b\n", "- x: y", "\ufeffa: b", "a: >-\n  b\n ", "{a: b,", "# x", "\ta", "? a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 || strings.Contains(text, "rules") || strings.Contains(text, secret) { // rules show what they compare with
			return
		}
		shown := Redact([]byte(text + "\nurl: https://h.example/x?sig=" + secret + "\n# key=" + secret + " https://u:" + secret + "@h/\nsigning_secret: " + secret + "\n"))
		if strings.Contains(shown, secret) {
			t.Errorf("%q shows it: %q", text, shown)
		}
	})
}
