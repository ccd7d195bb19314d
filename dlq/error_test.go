package dlq

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrorKeepsItsCauseFromThePerson(t *testing.T) {
	err := Errorf(CodeUnavailable, "the broker %s does not answer: %w", "b1", io.ErrUnexpectedEOF).WithHint("check %s", "the network")
	if err.Message != "the broker b1 does not answer" {
		t.Errorf("public sentence: %q", err.Message)
	}
	if err.Hint != "check the network" {
		t.Errorf("hint: %q", err.Hint)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got := err.Error(); got != "the broker b1 does not answer: unexpected EOF" {
		t.Errorf("for the log: %q", got)
	}
	if got := CodeOf(fmt.Errorf("list letters: %w", err)); got != CodeUnavailable {
		t.Errorf("code of a wrapped error: %q", got)
	}
	if CodeOf(nil) != "" || CodeOf(io.EOF) != CodeInternal {
		t.Error("codes of nil and of a foreign error")
	}
}

func TestParseID(t *testing.T) {
	if id, err := ParseID("42"); id != 42 || err != nil {
		t.Errorf("ParseID(42) = %d, %v", id, err)
	}
	for _, s := range []string{"", "0", "-1", "4.2", "99999999999999999999", "x"} {
		if _, err := ParseID(s); CodeOf(err) != CodeInvalid {
			t.Errorf("ParseID(%q): %v", s, err)
		}
	}
}
