package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The Go in these documents is the demo shop's own, word for word, so that it is code that runs.
func TestSnippetsAreTheShopsOwn(t *testing.T) {
	for name, source := range map[string]string{
		"compensation.md": "../demo/settle.go", "compensation.zh.md": "../demo/settle.go",
		"reports.md": "../demo/report.go", "reports.zh.md": "../demo/report.go",
		"alerts.md": "../demo/settle.go", "alerts.zh.md": "../demo/settle.go",
	} {
		code := read(t, source)
		blocks := regexp.MustCompile("(?s)```go\n(.*?)\n```").FindAllStringSubmatch(read(t, name), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no Go", name)
		}
		for _, b := range blocks {
			if !strings.Contains(code, b[1]) {
				t.Errorf("the Go in %s is not in %s:\n%s", name, source, b[1])
			}
		}
	}
}

// What is not prose stands alike in both languages.
func TestBothLanguagesShowTheSameCode(t *testing.T) {
	code := regexp.MustCompile("(?s)```(go|golang|java|python|yaml)\n.*?\n```")
	for english, chinese := range map[string]string{"compensation.md": "compensation.zh.md", "reports.md": "reports.zh.md", "alerts.md": "alerts.zh.md"} {
		a, b := code.FindAllString(read(t, english), -1), code.FindAllString(read(t, chinese), -1)
		if len(a) == 0 || strings.Join(a, "\n") != strings.Join(b, "\n") {
			t.Errorf("%s and %s show different code", english, chinese)
		}
	}
}

// The Java that checks signatures is the same wherever it stands; alerts/notify runs it.
func TestOneWayToCheckSignaturesInJava(t *testing.T) {
	java := regexp.MustCompile("(?s)```java\n.*?\n```")
	if a, b := java.FindString(read(t, "alerts.md")), java.FindString(read(t, "compensation.md")); a == "" || a != b {
		t.Error("alerts.md and compensation.md show different Java")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
