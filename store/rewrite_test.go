package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"deadletteroffice/dlq"
)

// A secret that was kept with a version of the rules is in none of the files after it was blacked out.
func TestRewrittenRuleTextsAreWiped(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Path: filepath.Join(dir, "dlq.db")})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"a: hunter2", "b", strings.Repeat("hunter2 and more ", 2000)} {
		if _, err := s.AddRuleVersion(t.Context(), dlq.RuleVersion{SHA256: "sum " + strconv.Itoa(i), Text: text, Author: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to do
		if err := s.RewriteRuleTexts(t.Context(), func(text string) string { return strings.ReplaceAll(text, "hunter2", "x") }); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := s.RuleVersion(t.Context(), 1); err != nil || v.Text != "a: x" || v.SHA256 != "sum 0" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("hunter2")) {
			t.Errorf("%s still holds it", filepath.Base(file))
		}
	}
}
