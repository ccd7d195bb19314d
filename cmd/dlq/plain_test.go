package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlainWriter(t *testing.T) {
	var out bytes.Buffer
	w := &plainWriter{to: &out}
	for _, part := range []string{"a\tb\n", "\x1b]0;owned\x07", "\x1b[2J", "库\xe5", "\xad\x98", "\u009b31m", "\u202e", "\r\x7f", "👩\u200d🔧", "\xff."} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	want := "a\tb\n" + `\x1b]0;owned\x07\x1b[2J` + "库存" + `\u009b31m\u202e\x0d\x7f` + "👩\u200d🔧" + `\xff.`
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// Whatever a message, a file or a server says, no command lets it steer the terminal.
func TestNoCommandSteersTheTerminal(t *testing.T) {
	message := filepath.Join(t.TempDir(), "message.json")
	if err := os.WriteFile(message, []byte(`{"consumer_group":"pay","topic":"orders","properties":{"FAILURE_REASON":"\u001b[31mred\u0007\u009b2J"},"body":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"rules", "explain", "../../rules.yaml", message},
		{"rules", "explain", "../../rules.yaml", "no\x1b[31mfile"},
		{"\x1b[31msurf"},
	} {
		got := try(t, nil, "", args...)
		if all := got.out + got.errout; strings.ContainsAny(all, "\x1b\x07\u009b") || !strings.Contains(all, `\x1b[31m`) {
			t.Errorf("dlq %q: %q", args, all)
		}
	}
}
