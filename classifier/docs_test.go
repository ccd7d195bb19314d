package classifier

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Every file in the documents is one that compiles, alike in both languages.
func TestDocuments(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	var first []string
	for _, name := range []string{"../docs/rules.md", "../docs/rules.zh.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var blocks []string
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			blocks = append(blocks, b[1])
		}
		for _, b := range blocks {
			_, found := compileText(b)
			for _, d := range found {
				if d.Severity == dlq.DiagnosticError || d.Severity == dlq.DiagnosticWarning && d.Code != CodeNoRules {
					t.Errorf("%s: %s\n%s", name, showFindings([]dlq.Diagnostic{d}), b)
				}
			}
		}
		if first == nil {
			first = blocks
		} else if strings.Join(first, "\n") != strings.Join(blocks, "\n") {
			t.Errorf("%s shows other files than the English one", name)
		}
		for _, word := range append(append(fieldNames(), operators...), "when") {
			if !strings.Contains(string(text), "`"+word+"`") && !strings.Contains(string(text), "`"+word+":") {
				t.Errorf("%s does not speak of %s", name, word)
			}
		}
		if !strings.Contains(string(text), "1 MiB") || yamlnode.MaxSize != 1<<20 || !strings.Contains(string(text), "2000") || MaxRules != 2000 {
			t.Errorf("%s has other limits", name)
		}
	}
	if len(first) < 8 {
		t.Errorf("%d files in the documents", len(first))
	}
}
