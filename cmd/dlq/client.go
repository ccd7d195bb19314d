package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/ui"
)

// remote is where a console is, and how it is spoken to.
type remote struct {
	server    string
	tokenFile string
	json      bool
}

// remoteFlags adds the flags by which a running console is found. A token is never one of them: it would stand in the
// list of processes.
func remoteFlags(set *flag.FlagSet, env environment) *remote {
	r := &remote{}
	server := env.get("DLQ_SERVER")
	if server == "" {
		server = "http://" + serveDefaults().listen
	}
	set.StringVar(&r.server, "server", server, "address of the console (DLQ_SERVER)")
	set.StringVar(&r.tokenFile, "token-file", env.get("DLQ_TOKEN_FILE"), "file that holds the token (DLQ_TOKEN_FILE); without it the token is DLQ_TOKEN")
	set.BoolVar(&r.json, "json", false, "print JSON")
	return r
}

// client makes the client that the flags describe.
func (r *remote) client(env environment) (*client, error) {
	base, err := url.Parse(r.server)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.Fragment != "":
		return nil, usageErrorf("--server is not an address such as http://127.0.0.1:8642")
	case base.User != nil:
		return nil, usageErrorf("--server must not hold a user or a password; a token comes from --token-file or DLQ_TOKEN")
	}
	token := env.get("DLQ_TOKEN")
	if r.tokenFile != "" {
		text, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the file of --token-file cannot be read: %w", err)
		}
		token = string(text)
	}
	token = strings.TrimSpace(token)
	if strings.IndexFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0 {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the token is not one word").WithHint("the file holds the token alone, as `dlq token new` showed it; the line with the hash is for the console")
	}
	// A console does not redirect; one that does is something else, which must not get the token.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{base: strings.TrimSuffix(base.String(), "/"), token: token, http: &http.Client{CheckRedirect: stay}}, nil
}

// client speaks to a console over its REST API.
type client struct {
	base  string
	token string
	http  *http.Client
}

const (
	callTimeout   = 6 * time.Minute // the console takes up to five for a million letters
	callAnswerMax = 64 << 20        // bytes
)

// call makes one call and reads its answer, which it also returns as it came. body nil is none. What the console refuses
// is the error that it gave; one that cannot be reached is CodeUnavailable.
func (c *client) call(ctx context.Context, method, path string, body, answer any) (raw []byte, err error) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(limited, method, c.base+"/api/v1"+path, sent)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	r.Header.Set("User-Agent", "dlq/"+version)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	w, err := c.http.Do(r)
	if err != nil {
		return nil, c.away(ctx, err)
	}
	defer w.Body.Close()
	if raw, err = io.ReadAll(io.LimitReader(w.Body, callAnswerMax)); err != nil {
		return nil, c.away(ctx, err)
	}
	if w.StatusCode/100 != 2 {
		return nil, c.refusal(w, raw)
	}
	if answer == nil {
		return raw, nil
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, c.stranger(w, err)
	}
	return raw, nil
}

// away says that the console does not answer, unless it is the caller who left.
func (c *client) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitError{status: exitInterrupted, message: "interrupted"}
	}
	return dlq.Errorf(dlq.CodeUnavailable, "the console at %s does not answer: %w", c.base, err).
		WithHint("is it running there? --server or DLQ_SERVER names it")
}

// refusal is the error that the console answered with.
func (c *client) refusal(w *http.Response, raw []byte) error {
	var p ui.Problem
	if !strings.HasPrefix(w.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(raw, &p) != nil || p.Code == "" {
		return c.stranger(w, nil)
	}
	err := &dlq.Error{Code: p.Code, Message: p.Detail, Hint: p.Hint, Params: p.Params}
	switch p.Code {
	case dlq.CodeUnauthorized:
		err.Hint = "name a file that holds a token with --token-file, or set DLQ_TOKEN; `dlq token new` makes tokens"
	case dlq.CodeInternal:
		err.Hint = "the log of the console has the cause under the request id " + p.RequestID
	}
	return err
}

func (c *client) stranger(w *http.Response, cause error) error {
	err := dlq.Errorf(dlq.CodeUnavailable, "%s answers %d, but not as a console does", c.base, w.StatusCode).WithHint("does --server name the console itself?")
	err.Err = cause
	return err
}

// exitError ends a command with a status of its own, after an optional word on standard error.
type exitError struct {
	status  int
	message string
}

func (e exitError) Error() string { return e.message }

// Statuses beside 0, 1 (it failed) and 2 (wrong usage).
const (
	exitNotGood     = 3   // the operation was carried out, and not all of it came good
	exitInterrupted = 130 // as shells report SIGINT
)

// printRaw prints an answer of the console for programs.
func printRaw(w io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
