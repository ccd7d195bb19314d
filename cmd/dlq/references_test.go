package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"deadletteroffice/alerts"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/rulebook"
	"deadletteroffice/store"
)

// A check of a text follows no reference for whoever may not put it in force. For an admin it reads regular files alone,
// and says the same of what is missing and of what cannot be read.
func TestTextsDoNotReadTheMachine(t *testing.T) {
	dir := t.TempDir()
	kept, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "dlq.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	var asked []string
	env := environment{get: func(name string) string { asked = append(asked, name); return "" }}
	book := rulebook.New(rulebook.Options{Path: filepath.Join(dir, "rules.yaml"), Versions: kept, Logger: slog.New(slog.DiscardHandler),
		Owners: owners(classifier.NewLive(), &handlers.LiveCompensations{}, alerts.NewLive(alerts.LiveOptions{}), env)})
	pipe, there := filepath.Join(dir, "pipe"), filepath.Join(dir, "there")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var sentences []string
	for _, path := range []string{"/dev/zero", "/dev/ptmx", pipe, there, filepath.Join(dir, "none")} {
		text := fmt.Sprintf("version: 1\nrules: [{name: a, route: manual}]\n"+
			"receivers: {ops: {type: webhook, url: 'file:%[1]s', secret: env:DLQ_S}}\ncompensations: {c: {url: 'file:%[1]s', secret: env:DLQ_S}}\n", path)
		asked = nil
		found, err := book.Check(t.Context(), text, true)
		if err != nil || slices.ContainsFunc(found, func(d dlq.Diagnostic) bool {
			return d.Code == alerts.CodeReceiverOff || d.Code == handlers.DiagnosticCompensationOff
		}) || asked != nil {
			t.Errorf("sealed, %s: %v, asked %q, found %+v", path, err, asked, found)
		}
		if found, err = book.Check(t.Context(), text, false); err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			if d.Code == alerts.CodeReceiverOff {
				sentences = append(sentences, d.Message.English[:len("the receiver ops is not told anything: the file ")]+d.Message.English[len(d.Message.English)-60:])
			}
		}
	}
	if slices.Sort(sentences); len(sentences) != 5 || len(slices.Compact(sentences)) != 1 {
		t.Errorf("what an admin reads tells files apart: %q", sentences)
	}
}
