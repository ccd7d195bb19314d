package rulebook

import (
	"context"
	"errors"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Edit is a text that a person wants in force, as it was shown: with literal secrets blacked out. All its fields are
// needed.
type Edit struct {
	Text   string
	ETag   string // File.ETag of the file that it was made from
	Author string
	Note   string
}

// InvalidError is the error of a text that is not good. It is of CodeInvalid.
type InvalidError struct {
	Diagnostics []dlq.Diagnostic
}

func (e *InvalidError) Error() string { return e.Unwrap().Error() }

// Unwrap returns what a person may see.
func (e *InvalidError) Unwrap() error {
	return dlq.Errorf(dlq.CodeInvalid, "the text has mistakes: %s", Summary(e.Diagnostics)).WithHint("nothing was changed; mend what is marked")
}

// File is the file as it lies on disk.
type File struct {
	Text     string // literal secrets blacked out; "" when there is none, when it cannot be read or is too large
	ETag     string // SHA-256 of its bytes, lower-case hex; a file that is not there has that of an empty one
	Writable Writable
}

// File reads the file as it is now. A file in an encoding that is easily told is shown as UTF-8.
func (b *Book) File() File {
	text, _ := read(b.opt.Path)
	f := File{ETag: sha(text)}
	_, f.Writable = find(b.opt.Path)
	if len(text) <= yamlnode.MaxSize {
		f.Text = Redact([]byte(yamlnode.Decode(text)))
	}
	return f
}

// Check returns everything that is wrong with a text, in its order. Secrets that were blacked out when the text was shown
// are put back before, as a save does. Where env: and file: references lead is looked at unless sealed: whoever may not
// save a text must not find out by it what there is on the machine.
func (b *Book) Check(_ context.Context, text string, sealed bool) ([]dlq.Diagnostic, error) {
	disk, _ := read(b.opt.Path)
	b.judging.Lock()
	bases := b.bases(disk)
	b.judging.Unlock()
	_, _, found := b.compile(text, bases, sealed)
	return found, nil
}

// bases are the texts whose secrets a person's text may refer to: the file, then the text in force.
func (b *Book) bases(disk []byte) []string { return []string{yamlnode.Decode(disk), b.inForce} }

// compile puts secrets back and compiles the text. Findings stand where they are in the text as it was given.
func (b *Book) compile(text string, bases []string, sealed bool) (whole string, apply func(int64), found []dlq.Diagnostic) {
	if len(text) > yamlnode.MaxSize { // do not spend time on it
		apply, found = compile([]byte(text), b.opt.Owners, sealed)
		return text, apply, found
	}
	back := restore(text, bases)
	apply, found = compile([]byte(back.text), b.opt.Owners, sealed)
	if found = back.back(text, found); len(back.found) > 0 {
		apply = nil
	}
	return back.text, apply, found
}

// Save writes the file and puts it in force at once, as a new version of the author. The same text as the version in
// force makes no new version. Errors: CodeConflict when the file is another than the one that the edit was made from;
// InvalidError when the text is not good; CodeRefused, with the parameter why, when the file cannot be written. Then
// nothing was changed. When the store cannot keep the version, the file is written and the next look at it, within
// seconds, puts it in force under the author's name.
func (b *Book) Save(ctx context.Context, e Edit) (Snapshot, error) {
	b.judging.Lock()
	defer b.judging.Unlock()
	disk, problem := read(b.opt.Path)
	if problem != nil && problem.Code != CodeFileMissing {
		return Snapshot{}, unwritable(WhyNotAFile).refusal(b.opt.Path, errors.New(problem.Message.English))
	}
	if sha(disk) != e.ETag {
		return Snapshot{}, changedMeanwhile()
	}
	var c candidate
	var whole string
	whole, c.apply, c.found = b.compile(e.Text, b.bases(disk), false)
	c.text = []byte(dress(whole, disk))
	if c.apply == nil {
		return Snapshot{}, &InvalidError{c.found}
	}
	if len(c.text) > yamlnode.MaxSize { // its line ends made it so
		return Snapshot{}, dlq.Errorf(dlq.CodeTooLarge, "with the line ends of the file the text is larger than 1 MiB")
	}
	if c.mark = sha(c.text); c.mark != e.ETag || problem != nil {
		if err := b.write(c.text, e.ETag); err != nil {
			return Snapshot{}, err
		}
	}
	b.authorship = authorship{c.mark, e.Author, e.Note}
	if _, err := b.judge(ctx, c); err != nil {
		return Snapshot{}, dlq.Errorf(dlq.CodeUnavailable, "the rules file is written, but the store cannot keep the version now: %w", err).
			WithHint("it comes into force by itself as soon as the store can be written again")
	}
	return b.Current(), nil
}

func changedMeanwhile() error {
	return dlq.Errorf(dlq.CodeConflict, "the rules file was changed by somebody else in between").WithHint("nothing was written; look at both texts, then save again")
}

// write replaces the file, unless it is another than the one that was seen: preparing takes a moment.
func (b *Book) write(text []byte, seen string) error {
	p, can := find(b.opt.Path)
	if !can.OK {
		return can.refusal(b.opt.Path, nil)
	}
	if now, _ := read(b.opt.Path); sha(now) != seen {
		return changedMeanwhile()
	}
	if err := p.replace(text); err != nil {
		return explainWrite(b.opt.Path, err)
	}
	return nil
}
