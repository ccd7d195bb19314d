package ui

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

func TestParseTokens(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("dlq_x")))
	other := fmt.Sprintf("%x", sha256.Sum256([]byte("dlq_y")))
	tokens, err := ParseTokens(strings.NewReader("\ufeff# people\n\n  anna   operator " + sum + " \r\nanna operator " + other + "\n"))
	if err != nil || len(tokens) != 2 || tokens[0].Name != "anna" || tokens[0].Role != RoleOperator || tokens[0].SHA256 != sha256.Sum256([]byte("dlq_x")) {
		t.Errorf("%v %v", tokens, err)
	}
	for text, want := range map[string]string{
		"anna operator":                                          "line 1: there are 2 words",
		"\nanna operator dlq_secret and more":                    "line 2: word 4 is neither",
		"anna boss " + sum:                                       "no role",
		"anna public " + sum:                                     "no role",
		"an/na viewer " + sum:                                    "name",
		"automation viewer " + sum:                               "kept for the console",
		"anna viewer dlq_secret":                                 "not a SHA-256",
		"anna viewer " + sum[1:]:                                 "not a SHA-256",
		"anna viewer " + sum + "\nanna admin " + other:           "line 2: anna already has the role viewer",
		"anna viewer " + sum + "\nbert admin " + sum:             "line 2: the same token",
		"anna viewer " + sum + "\n" + strings.Repeat("x", 1<<17): "cannot be read",
	} {
		_, err := ParseTokens(strings.NewReader(text))
		if dlq.CodeOf(err) != dlq.CodeInvalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "dlq_secret") {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

func TestTokenLines(t *testing.T) {
	want := Token{Name: "pay", Role: RoleReporter, ConsumerGroups: []string{"pay-service", "MQ_INST_1%GID_pay"}, Expires: noon}
	token, line, err := NewToken(want)
	if err != nil {
		t.Fatal(err)
	}
	want.SHA256 = sha256.Sum256([]byte(token))
	got, err := ParseTokens(strings.NewReader(line))
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []Token{{Name: "a", Role: RoleViewer, ConsumerGroups: []string{"g"}}, {Name: "a", Role: RoleReporter, ConsumerGroups: []string{"g x"}},
		{Name: "a", Role: RoleReporter, ConsumerGroups: []string{""}}} {
		if _, _, err := NewToken(bad); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A token lets in until it expires, and so does a log-in by it.
func TestTokensExpire(t *testing.T) {
	path, _ := tokensFor(t)
	token, line, err := NewToken(Token{Name: "guest", Role: RoleViewer, Expires: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	now := noon
	a := newAPI(t, func(d *Deps) { d.TokenFile, d.Now = path, func() time.Time { return now } })
	cookie := a.call("POST", apiBase+"/session", `{"token":"`+token+`"}`).Result().Cookies()[0]
	if !cookie.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("the cookie ends at %s", cookie.Expires)
	}
	in := func(header string) *httptest.ResponseRecorder { return a.call("GET", apiBase+"/summary", "", header) }
	now = noon.Add(time.Hour - time.Second)
	if in("Authorization: Bearer "+token).Code != 200 || in("Cookie: dlq_session="+cookie.Value).Code != 200 {
		t.Error("it is refused before its time")
	}
	now = noon.Add(time.Hour)
	if w := in("Authorization: Bearer " + token); w.Code != 401 || !strings.Contains(w.Body.String(), "expired at 2026-") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := in("Cookie: dlq_session=" + cookie.Value); w.Code != 401 {
		t.Errorf("the log-in goes on: %d", w.Code)
	}
}

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		token, line, err := NewToken(Token{Name: "anna", Role: RoleViewer})
		if err != nil || seen[token] || !strings.HasPrefix(token, TokenPrefix) || len(token) != len(TokenPrefix)+43 || strings.Contains(line, token) {
			t.Fatalf("%q %q %v", token, line, err)
		}
		seen[token] = true
		parsed, err := ParseTokens(strings.NewReader(line))
		if err != nil || len(parsed) != 1 || parsed[0].SHA256 != sha256.Sum256([]byte(token)) {
			t.Fatalf("the line is not read back: %v %v", parsed, err)
		}
	}
	if _, _, err := NewToken(Token{Name: "local", Role: RoleViewer}); err == nil {
		t.Error("a token may call itself local")
	}
	if _, _, err := NewToken(Token{Name: "anna", Role: "boss"}); err == nil {
		t.Error("a token may have a role that is not there")
	}
}

// The token file is followed while the program runs: what it does not say lets nobody in, and a token that is gone ends its
// log-ins and streams.
func TestTokenFileIsFollowed(t *testing.T) {
	path, tokens := tokensFor(t)
	text := string(must(os.ReadFile(path)))
	for name, spoil := range map[string]func() error{
		"a bad line":          func() error { return os.WriteFile(path, []byte(text+"rubbish\n"), 0o600) },
		"emptied":             func() error { return os.WriteFile(path, nil, 0o600) },
		"comments only":       func() error { return os.WriteFile(path, []byte("# nobody\n"), 0o600) },
		"deleted":             func() error { return os.Remove(path) },
		"a folder":            func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"writable by others":  func() error { return os.Chmod(path, 0o602) },
		"writable by a group": func() error { return os.Chmod(path, 0o660) },
	} {
		t.Run(name, func(t *testing.T) {
			write := func(s string) {
				if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte(s), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			write(text)
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(t, func(d *Deps) { d.TokenFile = path })
				ended := make(chan struct{})
				go func() { a.entrance.tokens.run(t.Context()); close(ended) }()
				t.Cleanup(func() { <-ended })
				cookie := a.call("POST", apiBase+"/session", `{"token":"`+tokens[RoleViewer]+`"}`).Result().Cookies()[0]
				stream, _, err := a.hub.follow("some-viewer")
				if err != nil {
					t.Fatal(err)
				}
				wait := func() { time.Sleep(10 * time.Second); synctest.Wait() }
				byCookie := func() int { return a.call("GET", apiBase+"/summary", "", "Cookie: dlq_session="+cookie.Value).Code }
				byToken := func(role Role) int {
					return a.call("GET", apiBase+"/summary", "", "Authorization: Bearer "+tokens[role]).Code
				}
				wait()
				if byCookie() != 200 || byToken(RoleAdmin) != 200 {
					t.Fatal("nobody gets in by a file that did not change")
				}

				if err := spoil(); err != nil {
					t.Fatal(err)
				}
				wait()
				if code := byCookie(); code != 401 {
					t.Errorf("a log-in goes on: %d", code)
				}
				if code := byToken(RoleAdmin); code != 503 {
					t.Errorf("a token goes on: %d", code)
				}
				if w := a.call("POST", apiBase+"/session", `{"token":"`+tokens[RoleViewer]+`"}`); w.Code != 503 || !strings.Contains(w.Body.String(), "token file is refused") {
					t.Errorf("log-in: %d %s", w.Code, w.Body)
				}
				if w := a.call("GET", apiBase+"/session", ""); w.Code != 200 {
					t.Errorf("the page cannot ask who it is: %d", w.Code)
				}
				if w := a.call("GET", "/readyz?verbose=1", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "[-] tokens: ") {
					t.Errorf("readyz does not say it: %d %s", w.Code, w.Body)
				}
				if _, open := <-stream.frames; open {
					t.Error("a stream goes on")
				}
				if n := strings.Count(a.log.String(), "token file refused"); n != 1 {
					t.Errorf("the refusal is logged %d times", n)
				}

				write(strings.Join(strings.Split(text, "\n")[4:], "\n")) // without reporter and viewer
				wait()
				if byToken(RoleAdmin) != 200 || byToken(RoleViewer) != 401 {
					t.Errorf("mended without the viewer: %d %d", byToken(RoleAdmin), byToken(RoleViewer))
				}
				write(text)
				wait()
				if code := byCookie(); code != 401 {
					t.Errorf("the old log-in came back: %d", code)
				}
				if code := byToken(RoleViewer); code != 200 {
					t.Errorf("after the token is back: %d", code)
				}
			})
		})
	}
}

// An editor that writes the file in two steps throws nobody out.
func TestATokenFileThatIsBeingWritten(t *testing.T) {
	path, tokens := tokensFor(t)
	text := must(os.ReadFile(path))
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(d *Deps) { d.TokenFile = path })
		ended := make(chan struct{})
		go func() { a.entrance.tokens.run(t.Context()); close(ended) }()
		t.Cleanup(func() { <-ended })
		time.Sleep(tokenFileEvery - time.Millisecond)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w := a.call("GET", apiBase+"/summary", "", "Authorization: Bearer "+tokens[RoleViewer]); w.Code != 200 || strings.Contains(a.log.String(), "refused") {
			t.Errorf("%d %s", w.Code, a.log)
		}
	})
}

func TestABadTokenFileStopsTheStart(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "bad": "x"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Deps{TokenFile: path}); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	path, _ := tokensFor(t)
	if err := os.Chmod(path, 0o620); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Deps{TokenFile: path}); dlq.CodeOf(err) != dlq.CodeInvalid || !strings.Contains(err.Error(), "written by others") {
		t.Errorf("writable by others: %v", err)
	}
	if _, err := New(Deps{TokenFile: filepath.Join(t.TempDir(), "none")}); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("missing: %v", err)
	}
}
