package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// block returns the code of one language in a document.
func blockOf(t *testing.T, file, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", file))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)\n```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s shows no %s", file, language)
	}
	return string(m[1])
}

// The JSON in the documents is what a webhook gets.
func TestDocumentedWebhook(t *testing.T) {
	var want bytes.Buffer
	if err := json.Indent(&want, render(t, receivers(t)[0], delivery(dlq.NotifyFirst, alerts()[0]), options()).Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"alerts.md", "alerts.zh.md"} {
		if diff := cmp.Diff(want.String(), blockOf(t, file, "json")); diff != "" {
			t.Errorf("%s (-sent +documented):\n%s", file, diff)
		}
	}
}

// The Java and the Python of the documents take what is signed, during a change of secrets too, and nothing else.
func TestDocumentedVerification(t *testing.T) {
	o := options()
	o.Now = time.Now()
	p := render(t, receivers(t)[0], delivery(dlq.NotifyFirst, alerts()...), o)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("body", string(p.Body))
	write("other", string(p.Body)+" ")
	// Each line is one question: secret, id, time, signature, file of the body; "-" is a header that is not there.
	id, stamp, sign := p.Headers["webhook-id"], p.Headers["webhook-timestamp"], p.Headers["webhook-signature"]
	old := fmt.Sprint(o.Now.Add(-6 * time.Minute).Unix())
	questions := []struct {
		ask  []string
		want bool
	}{
		{[]string{goldenSecret, id, stamp, sign, "body"}, true},
		{[]string{newSecret, id, stamp, sign, "body"}, true},
		{[]string{goldenSecret, id, stamp, "v1,AAAA " + strings.Fields(sign)[0], "body"}, true},
		{[]string{goldenSecret, id, stamp, strings.Fields(sign)[1], "body"}, false},
		{[]string{goldenSecret, id, stamp, sign, "other"}, false},
		{[]string{goldenSecret, "dlv_other", stamp, sign, "body"}, false},
		{[]string{goldenSecret, id, old, sign, "body"}, false},
		{[]string{goldenSecret, id, "soon", sign, "body"}, false},
		{[]string{goldenSecret, id, "²", sign, "body"}, false},
		{[]string{goldenSecret, id, stamp, "-", "body"}, false},
		{[]string{goldenSecret, id, "-", sign, "body"}, false},
		{[]string{goldenSecret, "-", stamp, sign, "body"}, false},
	}
	var lines, want []string
	for _, q := range questions {
		lines, want = append(lines, strings.Join(q.ask, "\t")), append(want, fmt.Sprint(q.want))
	}
	write("questions", strings.Join(lines, "\n"))
	write("verify.py", blockOf(t, "alerts.md", "python")+`


for line in open("questions", encoding="utf-8").read().split("\n"):
    secret, *fields, name = line.split("\t")
    names = ["webhook-id", "webhook-timestamp", "webhook-signature"]
    headers = {k: v for k, v in zip(names, fields) if v != "-"}
    print("true" if verify(secret, headers, open(name, "rb").read()) else "false")
`)
	write("StandardWebhook.java", blockOf(t, "alerts.md", "java"))
	write("Ask.java", `import java.nio.file.*;
public class Ask {
    static String header(String s) { return s.equals("-") ? null : s; }
    public static void main(String[] args) throws Exception {
        for (String line : Files.readString(Path.of("questions")).split("\n")) {
            String[] f = line.split("\t");
            System.out.println(StandardWebhook.verify(f[0], header(f[1]), header(f[2]), header(f[3]), Files.readAllBytes(Path.of(f[4]))));
        }
    }
}
`)
	for _, commands := range [][][]string{{{"python3", "verify.py"}}, {{"javac", "-encoding", "UTF-8", "Ask.java"}, {"java", "Ask"}}} {
		var out []byte
		for _, c := range commands {
			command := exec.CommandContext(t.Context(), c[0], c[1:]...)
			command.Dir = dir
			var err error
			if out, err = command.CombinedOutput(); err != nil {
				t.Fatalf("%v (make setup installs what is missing): %v\n%s", c, err, out)
			}
		}
		if diff := cmp.Diff(want, strings.Fields(string(out))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", commands[0][0], diff)
		}
	}
}
