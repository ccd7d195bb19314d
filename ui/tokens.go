package ui

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"
)

// Token is one line of a token file. The token itself is not in it.
type Token struct {
	Name   string
	Role   Role
	SHA256 [sha256.Size]byte // of the token as it is sent
}

// TokenPrefix begins every token, so that secret scanners find one that was published by mistake.
const TokenPrefix = "dlq_"

// NewToken makes a token of 256 random bits and its line for the token file. The token is shown once and stored nowhere:
// the line holds its SHA-256. A plain hash is enough because a random token cannot be guessed from it.
func NewToken(name string, role Role) (token, line string, err error) {
	if err := checkToken(name, role); err != nil {
		return "", "", err
	}
	var random [32]byte
	rand.Read(random[:])
	// 43 digits of base 62 hold 256 bits; shorter numbers are filled up so that all tokens have one length.
	digits := new(big.Int).SetBytes(random[:]).Text(62)
	token = TokenPrefix + strings.Repeat("0", 43-len(digits)) + digits
	return token, fmt.Sprintf("%s %s %x", name, role, sha256.Sum256([]byte(token))), nil
}

func checkToken(name string, role Role) error {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") != "" {
		return dlq.Errorf(dlq.CodeInvalid, "the name %q of a token is not 1 to 64 of the characters A-Z, a-z, 0-9 and . _ @ -", name)
	}
	if slices.Contains([]string{dlq.ActorLocal, dlq.ActorAutomation, dlq.ActorTracker, dlq.ActorIntake}, name) {
		return dlq.Errorf(dlq.CodeInvalid, "the name %q is kept for the console itself", name).WithHint("choose another name for the token")
	}
	if !slices.Contains(Roles, role) {
		return dlq.Errorf(dlq.CodeInvalid, "there is no role %q", role).WithHint("the roles are %s", joined(Roles))
	}
	return nil
}

// ParseTokens reads a token file: a line for each token with name, role and the SHA-256 of the token in hex, separated by
// blanks; empty lines and lines that begin with # are skipped. Errors are CodeInvalid and name the line. A name may have
// several tokens, so that one can follow another, but only one role.
func ParseTokens(r io.Reader) ([]Token, error) {
	var tokens []Token
	roles := map[string]Role{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		t, err := parseToken(text)
		switch {
		case err != nil:
		case roles[t.Name] != "" && roles[t.Name] != t.Role:
			err = fmt.Errorf("%s already has the role %s", t.Name, roles[t.Name])
		case slices.ContainsFunc(tokens, func(have Token) bool { return have.SHA256 == t.SHA256 }):
			err = fmt.Errorf("the same token stands in an earlier line")
		}
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "token file, line %d: %s", n, err).
				WithHint("a line is: name role sha256; \"dlq token new NAME --role ROLE\" makes one")
		}
		roles[t.Name] = t.Role
		tokens = append(tokens, t)
	}
	if err := lines.Err(); err != nil {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the token file cannot be read: %w", err)
	}
	return tokens, nil
}

func parseToken(text string) (Token, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		// The line may hold a token in the clear, so it is not repeated.
		return Token{}, fmt.Errorf("there are %d words instead of three", len(fields))
	}
	t := Token{Name: fields[0], Role: Role(fields[1])}
	if err := checkToken(t.Name, t.Role); err != nil {
		return Token{}, err
	}
	sum, err := hex.DecodeString(fields[2])
	if err != nil || len(sum) != sha256.Size {
		return Token{}, fmt.Errorf("the third word is not a SHA-256 of 64 hex digits")
	}
	copy(t.SHA256[:], sum)
	return t, nil
}

// tokenFile is a token file that is followed while it changes.
type tokenFile struct {
	path   string
	logger *slog.Logger
	seen   []byte // the bytes that were read last, good or bad
	tokens atomic.Pointer[[]Token]
}

// openTokens reads the file a first time; then a bad file is an error, and so is one without a token, since nobody could
// log in.
func openTokens(path string, logger *slog.Logger) (*tokenFile, error) {
	f := &tokenFile{path: path, logger: logger}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// read takes over the file if it changed. On an error the tokens before stay in force.
func (f *tokenFile) read() (changed bool, err error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return false, dlq.Errorf(dlq.CodeInvalid, "the token file %s cannot be read: %w", f.path, err)
	}
	if f.tokens.Load() != nil && bytes.Equal(text, f.seen) {
		return false, nil
	}
	f.seen = text
	tokens, err := ParseTokens(bytes.NewReader(text))
	if err != nil {
		return false, err
	}
	if len(tokens) == 0 {
		return false, dlq.Errorf(dlq.CodeInvalid, "the token file %s has no token, so nobody could log in", f.path).
			WithHint("add the line that \"dlq token new NAME --role admin\" prints")
	}
	f.tokens.Store(&tokens)
	return true, nil
}

// run follows the file until the context ends.
func (f *tokenFile) run(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := f.read()
		switch {
		case err != nil && err.Error() != last:
			last = err.Error()
			f.logger.Error("token file refused, the tokens before stay in force", "err", err)
		case changed:
			last = ""
			f.logger.Info("token file read", "tokens", len(*f.tokens.Load()))
		}
	}
}

// find returns the token of this text. Every token is compared, in constant time.
func (f *tokenFile) find(text string) (Token, bool) {
	return f.findSum(sha256.Sum256([]byte(text)))
}

func (f *tokenFile) findSum(sum [sha256.Size]byte) (found Token, ok bool) {
	for _, t := range *f.tokens.Load() {
		if subtle.ConstantTimeCompare(t.SHA256[:], sum[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
