package store

import (
	"os"
	"path/filepath"
	"testing"

	"deadletteroffice/dlq"
)

func TestNewestRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq #1.db")
	_, err := NewestRules(t.Context(), path)
	wantCode(t, err, dlq.CodeNotFound)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("looking made the file")
	}
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewestRules(t.Context(), path)
	wantCode(t, err, dlq.CodeNotFound)
	for _, text := range []string{"one", "two"} {
		if _, err := s.AddRuleVersion(t.Context(), dlq.RuleVersion{SHA256: text, Text: text, Author: "a"}); err != nil {
			t.Fatal(err)
		}
		if v, err := NewestRules(t.Context(), path); err != nil || v.Text != text {
			t.Errorf("while the store is open: %+v, %v", v, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := NewestRules(t.Context(), path); err != nil || v.Version != 2 {
		t.Errorf("after it was closed: %+v, %v", v, err)
	}
	foreign := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(foreign, make([]byte, 200), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = NewestRules(t.Context(), foreign)
	wantCode(t, err, dlq.CodeInvalid)
}
