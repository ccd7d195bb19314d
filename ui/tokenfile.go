package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"
)

const (
	tokenFileMax   = 1 << 20 // bytes
	tokenFileEvery = 2 * time.Second
	// A file that cannot be taken over is looked at again after this time, since editors write in several steps.
	tokenFileAgain = 250 * time.Millisecond
)

// tokenFile is a token file that is followed while it changes. What it says goes: a file that is gone, empty, unreadable,
// wrong in one line or writable by others lets nobody in.
type tokenFile struct {
	path    string
	logger  *slog.Logger
	changed func() // called when other tokens are in force than before
	seen    []byte // the bytes that were taken over last
	now     atomic.Pointer[tokensNow]
}

// tokensNow are the tokens in force. They are none while the file is refused.
type tokensNow struct {
	tokens  []Token
	refused error
}

// openTokens reads the file a first time; then a bad file is an error, and so is one without a token, since nobody could
// log in.
func openTokens(path string, logger *slog.Logger, changed func()) (*tokenFile, error) {
	f := &tokenFile{path: path, logger: logger, changed: changed}
	text, tokens, err := f.read()
	if err != nil {
		return nil, err
	}
	f.seen = text
	f.now.Store(&tokensNow{tokens: tokens})
	return f, nil
}

// read reads the file. Errors are CodeInvalid and say what to do.
func (f *tokenFile) read() (text []byte, tokens []Token, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, nil, unreadable(f.path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, unreadable(f.path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > tokenFileMax {
		return nil, nil, dlq.Errorf(dlq.CodeInvalid, "the token file %s is not a file of at most %d bytes", f.path, tokenFileMax)
	}
	if err := othersMayWrite(f.path, info); err != nil {
		return nil, nil, err
	}
	if text, err = io.ReadAll(io.LimitReader(file, tokenFileMax)); err != nil {
		return nil, nil, unreadable(f.path, err)
	}
	if tokens, err = ParseTokens(bytes.NewReader(text)); err != nil {
		return nil, nil, err
	}
	if len(tokens) == 0 {
		return nil, nil, dlq.Errorf(dlq.CodeInvalid, "the token file %s has no token, so nobody could log in", f.path).
			WithHint("add the line that \"dlq token new NAME --role admin\" prints")
	}
	return text, tokens, nil
}

func unreadable(path string, err error) error {
	return dlq.Errorf(dlq.CodeInvalid, "the token file %s cannot be read: %w", path, err)
}

// othersMayWrite refuses a file that somebody else could add a token to.
func othersMayWrite(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the token file %s can be written by others (mode %04o), who could let themselves in", path, mode).
			WithHint("take the right away with: chmod go-w %s", path)
	}
	if uid, known := ownerOf(info); known && uid != 0 && uid != os.Geteuid() {
		return dlq.Errorf(dlq.CodeInvalid, "the token file %s belongs to the user %d, who could let anybody in", path, uid).
			WithHint("give it to the user that runs the console, or to root: chown %d %s", os.Geteuid(), path)
	}
	return nil
}

// run follows the file until the context ends.
func (f *tokenFile) run(ctx context.Context) {
	wait := time.NewTimer(tokenFileEvery)
	defer wait.Stop()
	doubt := false // the file could not be taken over a moment ago
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		text, tokens, err := f.read()
		if err != nil && !doubt && f.now.Load().refused == nil {
			doubt = true
			wait.Reset(tokenFileAgain)
			continue
		}
		doubt = false
		f.takeOver(text, tokens, err)
		wait.Reset(tokenFileEvery)
	}
}

// takeOver puts in force what was read, and says so when it is news.
func (f *tokenFile) takeOver(text []byte, tokens []Token, err error) {
	before := f.now.Load().refused
	switch {
	case err != nil:
		if before != nil && before.Error() == err.Error() {
			return
		}
		f.logger.Error("token file refused: nobody gets in until it is mended, and all log-ins are over", "error", err)
	case before == nil && bytes.Equal(text, f.seen):
		return
	default:
		f.logger.Info("token file read", "tokens", len(tokens))
	}
	f.seen = text
	f.now.Store(&tokensNow{tokens, err})
	f.changed()
}

// errExpired is why a token is not good any more.
var errExpired = errors.New("expired")

// find returns the token of this text. Errors are CodeUnauthorized, and CodeUnavailable while the file is refused.
func (f *tokenFile) find(text string, now time.Time) (Token, error) {
	return f.findSum(sha256.Sum256([]byte(text)), now)
}

// findSum compares every token, in constant time.
func (f *tokenFile) findSum(sum [sha256.Size]byte, now time.Time) (found Token, err error) {
	in := f.now.Load()
	if in.refused != nil {
		return Token{}, dlq.Errorf(dlq.CodeUnavailable, "the console's token file is refused, so nobody gets in: %w", in.refused).
			WithHint("the log of the console says what is wrong with it; it is read again every two seconds")
	}
	ok := false
	for _, t := range in.tokens {
		if subtle.ConstantTimeCompare(t.SHA256[:], sum[:]) == 1 {
			found, ok = t, true
		}
	}
	switch {
	case !ok:
		return Token{}, dlq.Errorf(dlq.CodeUnauthorized, "the token is not known here").
			WithHint("check that it was copied whole; an admin can make a new one with \"dlq token new\"")
	case !found.Expires.IsZero() && !now.Before(found.Expires):
		return Token{}, fmt.Errorf("%w: %w", errExpired, dlq.Errorf(dlq.CodeUnauthorized, "the token expired at %s", found.Expires.UTC().Format(time.RFC3339)).
			WithHint("an admin can make a new one with \"dlq token new\""))
	}
	return found, nil
}
