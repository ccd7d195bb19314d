package rulebook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// VersionStore keeps the versions of rules.yaml that were in force, their literal secrets blacked out: SHA256 is that of
// the whole text, Text is as it is shown. AddRuleVersion returns the version's number; the same SHA256 as the newest
// version's gives that version's number. LatestRuleVersion returns the newest; without any, its Version is 0 or the error
// is CodeNotFound. RewriteRuleTexts puts what f makes of each text in its place.
type VersionStore interface {
	RewriteRuleTexts(ctx context.Context, f func(text string) string) error
	AddRuleVersion(ctx context.Context, v dlq.RuleVersion) (int64, error)
	LatestRuleVersion(ctx context.Context) (dlq.RuleVersion, error)
}

// Options says how a Book works. Path, Owners, Versions and Logger are required.
type Options struct {
	Path     string
	Owners   []Owner
	Versions VersionStore
	Logger   *slog.Logger
	Now      func() time.Time
	Interval time.Duration // between two looks at the file; default 1 s
	Changed  func()        // called after Current changed; must not block; may be nil
}

// Book keeps the rules in force in step with the file. All its methods may be called at any time.
type Book struct {
	opt Options

	judging    sync.Mutex // one look at the file at a time
	judged     string     // what the last judgement was about, see mark; "" before the first
	doubted    string     // a bad text that was seen once: it may be half of a file that is being written
	failure    string     // what went wrong last, to say it once
	authorship authorship // who saved the text that is to be judged
	inForce    string     // the text in force with its secrets, which are kept nowhere else but in the file

	mu      sync.RWMutex
	current Snapshot
}

// Snapshot is the file as it stands.
type Snapshot struct {
	Version     dlq.RuleVersion  `json:"version"`     // in force, with its text; Version 0 for none
	Diagnostics []dlq.Diagnostic `json:"diagnostics"` // warnings and hints about the version in force
	Refused     *Refusal         `json:"refused"`     // the file as it is now, when it is not in force; else nil
	Path        string           `json:"path"`
}

// Refusal is a file that was not put in force, and why.
type Refusal struct {
	At          time.Time        `json:"at"`
	Text        string           `json:"text"` // "" for a file that is too large
	Diagnostics []dlq.Diagnostic `json:"diagnostics"`
}

// author of versions that came from the file.
const author = "file"

// settle is how long a changed file must stay as it is before it counts. An editor that writes in place shows its first
// half for a moment, and half a file can be a good one with fewer rules.
const settle = 150 * time.Millisecond

// New returns a Book that has not looked at its file yet.
func New(opt Options) *Book {
	if opt.Interval <= 0 {
		opt.Interval = time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Changed == nil {
		opt.Changed = func() {}
	}
	return &Book{opt: opt, current: Snapshot{Path: opt.Path, Diagnostics: []dlq.Diagnostic{}}}
}

// Load reads the file at start. A file that is missing or bad is no error: it is refused, which shows in Current, and the
// last good version from the store is put in force, with the literal secrets that the file still holds in their places,
// or nothing if there never was one. Secrets that the store still has from before are blacked out in it. The error is the
// store's.
func (b *Book) Load(ctx context.Context) error {
	b.judging.Lock()
	defer b.judging.Unlock()
	c := b.read()
	if applied, err := b.judge(ctx, c); err != nil || applied {
		return errors.Join(err, b.clean(ctx))
	}
	last, err := b.latest(ctx)
	if err != nil || last.Version == 0 {
		return err
	}
	if err := b.clean(ctx); err != nil {
		return err
	}
	back := restore(last.Text, []string{yamlnode.Decode(c.text)})
	back.found = nil // what has lost its secret is off, and says so
	apply, found := compile([]byte(back.text), b.opt.Owners, false)
	if apply == nil {
		b.opt.Logger.Error("the last good rules are not good for this program; nothing is in force", "version", last.Version, "findings", Summary(found))
		return nil
	}
	apply(last.Version)
	b.inForce = back.text
	b.update(func(s *Snapshot) { s.Version, s.Diagnostics = redacted(last), back.back(last.Text, found) })
	b.opt.Logger.Warn("the last good rules are in force instead of the file", "version", last.Version)
	return nil
}

// Run looks at the file until the context ends. It notices every change of the content, whether the file was written in
// place, replaced by rename, or reached through symbolic links that now lead elsewhere.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(b.opt.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := b.look(ctx); err != nil && ctx.Err() == nil {
				b.say(err)
			}
		}
	}
}

// Reload judges the file now, also one that did not change: what its env: and file: references lead to may have. The
// error is CodeInvalid when the file is refused.
func (b *Book) Reload(ctx context.Context) error {
	b.judging.Lock()
	defer b.judging.Unlock()
	c := b.read()
	applied, err := b.judge(ctx, c)
	if err != nil || applied {
		return err
	}
	return dlq.Errorf(dlq.CodeInvalid, "the rules file %s is refused: %s", b.opt.Path, Summary(c.found)).
		WithHint("dlq rules check shows everything that is wrong with it; the rules in force stay")
}

// Current returns the version in force and what is to be said about the file. Literal secrets in its texts are blacked
// out.
func (b *Book) Current() Snapshot {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.current
}

// authorship says who wrote a text, and why.
type authorship struct{ mark, author, note string }

// candidate is the file as it was read and compiled.
type candidate struct {
	text  []byte
	mark  string      // tells one content, or one failure to read it, from another
	apply func(int64) // nil when it is refused
	found []dlq.Diagnostic
}

func (b *Book) read() candidate {
	text, problem := read(b.opt.Path)
	if problem != nil {
		return candidate{mark: problem.Code + " " + problem.Message.English, found: []dlq.Diagnostic{*problem}}
	}
	c := candidate{text: text, mark: sha(text)}
	c.apply, c.found = compile(text, b.opt.Owners, false)
	return c
}

// look is one look at the file.
func (b *Book) look(ctx context.Context) error {
	b.judging.Lock()
	defer b.judging.Unlock()
	first, problem := read(b.opt.Path)
	if problem == nil && sha(first) == b.judged {
		b.doubted = ""
		return nil
	}
	select { // it changed: wait until it stays as it is
	case <-ctx.Done():
		return nil
	case <-time.After(settle):
	}
	c := b.read()
	switch {
	case c.mark == b.judged, problem == nil && c.mark != sha(first): // back, missing still, or still being written
		return nil
	case c.apply == nil && c.mark != b.doubted: // it counts if it is the same at the next look
		b.doubted = c.mark
		return nil
	}
	b.doubted = ""
	_, err := b.judge(ctx, c)
	return err
}

// judge puts the file in force or refuses it. The error is the store's: then nothing changed and the next look tries
// again.
func (b *Book) judge(ctx context.Context, c candidate) (applied bool, err error) {
	if c.apply == nil {
		b.refuse(c)
		return false, nil
	}
	version, err := b.latest(ctx)
	if err != nil {
		return false, err
	}
	if version.Version == 0 || version.SHA256 != c.mark {
		version = dlq.RuleVersion{SHA256: c.mark, Text: Redact(c.text), Author: author, At: b.opt.Now().UTC()}
		if b.authorship.mark == c.mark {
			version.Author, version.Note = b.authorship.author, b.authorship.note
		}
		if _, err = b.opt.Versions.AddRuleVersion(ctx, version); err != nil {
			return false, fmt.Errorf("keep the version of the rules: %w", err)
		}
		if version, err = b.latest(ctx); err != nil {
			return false, err
		}
	}
	c.apply(version.Version)
	b.judged, b.failure, b.authorship, b.inForce = c.mark, "", authorship{}, string(c.text)
	b.update(func(s *Snapshot) { s.Version, s.Diagnostics, s.Refused = redacted(version), c.found, nil })
	b.opt.Logger.Info("rules are in force", "version", version.Version, "author", version.Author, "findings", len(c.found))
	return true, nil
}

// clean blacks out secrets that were kept with versions before.
func (b *Book) clean(ctx context.Context) error {
	if err := b.opt.Versions.RewriteRuleTexts(ctx, func(text string) string { return Redact([]byte(text)) }); err != nil {
		return fmt.Errorf("black out secrets in the versions of the rules: %w", err)
	}
	return nil
}

// latest is the newest version in the store; its Version is 0 when there is none.
func (b *Book) latest(ctx context.Context) (dlq.RuleVersion, error) {
	v, err := b.opt.Versions.LatestRuleVersion(ctx)
	if dlq.CodeOf(err) == dlq.CodeNotFound {
		return dlq.RuleVersion{}, nil
	}
	if err != nil {
		return dlq.RuleVersion{}, fmt.Errorf("find the last good rules: %w", err)
	}
	return v, nil
}

func (b *Book) refuse(c candidate) {
	b.judged = c.mark
	refusal := &Refusal{At: b.opt.Now().UTC(), Diagnostics: c.found}
	if len(c.text) <= yamlnode.MaxSize { // of a larger file only the beginning was read
		refusal.Text = Redact(c.text)
	}
	b.update(func(s *Snapshot) { s.Refused = refusal })
	b.opt.Logger.Error("the rules file is refused; the rules in force stay", "path", b.opt.Path, "findings", Summary(c.found))
}

func (b *Book) update(change func(*Snapshot)) {
	b.mu.Lock()
	change(&b.current)
	b.mu.Unlock()
	b.opt.Changed()
}

// say logs what keeps going wrong once.
func (b *Book) say(err error) {
	b.judging.Lock()
	defer b.judging.Unlock()
	if err.Error() != b.failure {
		b.failure = err.Error()
		b.opt.Logger.Error("the rules file could not be put in force; trying again", "error", err)
	}
}

// sha is the version's SHA-256 in lower-case hex.
func sha(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func redacted(v dlq.RuleVersion) dlq.RuleVersion {
	v.Text = Redact([]byte(v.Text))
	return v
}
