package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/transform"
)

const (
	maxBody = 4 << 20 // bytes; RocketMQ's default maxMessageSize

	// maxProperties are the bytes of all properties together, whose length is a signed 16-bit number in a stored message
	// (apache/rocketmq CommitLog.CALL_BACK).
	maxProperties = 32_767

	// ownProperties is what a replay adds to them, at the most: its id and count, two UNIQ_KEYs, a delay, where it goes.
	ownProperties = 600
)

// secretive matches the names of properties that look like those of secrets.
var secretive = regexp.MustCompile(`(?i)pass|secret|token|auth|credential|cookie|session|api[-_.]?key|private`)

// ReadAsText asks Editable for bodies as text, in the charset that they are written in.
const ReadAsText = "auto"

// Editable returns a letter's message as an editor opens it, with the edits that were made of it. With a charset, or
// ReadAsText, bodies that are not UTF-8 come as text in UTF-8, where they can be read in it; "" leaves all bytes as they are.
// Errors are those of the store.
func (s *Service) Editable(ctx context.Context, letterID int64, charset string) (dlq.Editable, error) {
	l, err := s.Store.Letter(ctx, letterID)
	if err != nil {
		return dlq.Editable{}, err
	}
	m, err := s.Store.Message(ctx, letterID)
	if err != nil {
		return dlq.Editable{}, err
	}
	edits, err := s.Store.Edits(ctx, letterID)
	if err != nil {
		return dlq.Editable{}, err
	}
	h := s.unwrap(&m)
	e := dlq.Editable{
		LetterID: letterID, Version: l.Version, Deaths: l.Deaths, Body: h.body, Undecoded: h.compressed,
		Properties: []dlq.EditableProperty{}, Edits: edits,
	}
	if e.Edits == nil {
		e.Edits = []dlq.Edit{}
	}
	if !e.Undecoded {
		transcribe(&e, charset)
	}
	travels := clean(m.Properties)
	for _, name := range slices.Sorted(maps.Keys(m.Properties)) {
		_, kept := travels[name]
		e.Properties = append(e.Properties, dlq.EditableProperty{
			Name: name, Value: m.Properties[name], Locked: transform.Locked(name), Stripped: !kept, Sensitive: secretive.MatchString(name),
		})
	}
	return e, nil
}

// Edit keeps a changed version of a letter's message, by which a replay can ask for it; the stored original never changes.
// version is that of the letter that was seen: of two people who edit at the same time the second gets dlq.CodeConflict,
// which names the first. Set and Remove may repeat what the original has; only differences are kept.
//
// The body of an edit with a charset is a text, and is written in that charset; what is as in the original keeps its bytes.
//
// Other errors: dlq.CodeInvalid for a character that the charset lacks, for an edit without a note, without a change or of an unknown base, dlq.CodeRefused for a
// property that is RocketMQ's or this console's own and for a letter that cannot be replayed now, dlq.CodeTooLarge above
// 4 MiB of body or 32 767 bytes of properties, dlq.CodeNotSupported for a body that could not be decompressed, and those
// of the store.
func (s *Service) Edit(ctx context.Context, e dlq.Edit, version int64) (dlq.Edit, dlq.Letter, error) {
	none := func(err error) (dlq.Edit, dlq.Letter, error) { return dlq.Edit{}, dlq.Letter{}, err }
	if version == 0 {
		return none(dlq.Errorf(dlq.CodeInvalid, "an edit must name the version of the letter that was seen"))
	}
	if e.Note = strings.TrimSpace(e.Note); e.Note == "" {
		return none(dlq.Errorf(dlq.CodeInvalid, "an edit needs a note that says why"))
	}
	detail, err := s.Store.Detail(ctx, e.LetterID)
	if err != nil {
		return none(err)
	}
	if version != detail.Version {
		return none(conflict(detail))
	}
	if err := mayStart(detail.Letter, "edited"); err != nil {
		return none(err)
	}
	m, err := s.Store.Message(ctx, e.LetterID)
	if err != nil {
		return none(err)
	}
	h := s.unwrap(&m)
	if err := writeIn(&e, h.body); err != nil {
		return none(err)
	}
	if err := checkEdit(&e, h); err != nil {
		return none(err)
	}
	edits, err := s.Store.Edits(ctx, e.LetterID)
	if err != nil {
		return none(err)
	}
	base := h
	if e.Base != 0 {
		i := slices.IndexFunc(edits, func(have dlq.Edit) bool { return have.Number == e.Base && have.Deaths == detail.Deaths })
		if i < 0 {
			return none(dlq.Errorf(dlq.CodeInvalid, "there is no edit %d of this dead copy to go on from", e.Base))
		}
		base = h.with(edits[i])
	}
	if now := h.with(e); bytes.Equal(now.body, base.body) && maps.Equal(now.properties, base.properties) {
		return none(dlq.Errorf(dlq.CodeInvalid, "nothing is different after the edit"))
	}
	e.Deaths, e.At = detail.Deaths, s.now()
	kept, l, err := s.Store.AddEdit(ctx, e, version)
	if dlq.CodeOf(err) == dlq.CodeConflict {
		if now, e := s.Store.Detail(ctx, detail.ID); e == nil {
			err = conflict(now)
		}
	}
	return kept, l, err
}

// transcribe finds out in which charset the body is written and makes texts of the bodies when they are wanted in one. A
// body of which a part cannot be read stays as it is.
func transcribe(e *dlq.Editable, wanted string) {
	c := bodytext.Charset(wanted)
	if wanted == "" || wanted == ReadAsText {
		c = bodytext.Detect(e.Body)
	}
	e.Charset = string(c)
	text, wrong := bodytext.Decode(e.Body, c)
	if wanted == "" || c == bodytext.Binary || c == bodytext.UTF8 || wrong > 0 {
		return
	}
	e.Transcript, e.Body = true, []byte(text)
	for i := range e.Edits {
		text, _ := bodytext.Decode(e.Edits[i].Body, c)
		e.Edits[i].Body = []byte(text)
	}
}

// writeIn writes the text of an edit in its charset.
func writeIn(e *dlq.Edit, original []byte) error {
	if e.Charset == "" {
		return nil
	}
	body, err := bodytext.Encode(string(e.Body), bodytext.Charset(e.Charset), original)
	var lacks *bodytext.Unwritable
	switch {
	case errors.As(err, &lacks) && lacks.Rune == utf8.RuneError:
		return dlq.Errorf(dlq.CodeInvalid, "the new text has places that could not be read; what they were is not known").WithHint("leave those places as they are, or take them out")
	case errors.As(err, &lacks):
		problem := dlq.Errorf(dlq.CodeInvalid, "the body is written in %s, which has no character %q", e.Charset, lacks.Rune).
			WithHint("write it in another way; in a text of JSON its escape is %s", escape(lacks.Rune))
		problem.Params = map[string]string{"charset": e.Charset, "character": string(lacks.Rune)}
		return problem
	}
	e.Body = body
	return err
}

// escape writes a character as JSON does in ASCII.
func escape(r rune) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune{r}) {
		fmt.Fprintf(&b, `\u%04x`, u)
	}
	return b.String()
}

// checkEdit refuses what cannot be sent or may not be changed, and leaves in the edit only what differs from the original.
func checkEdit(e *dlq.Edit, original letterhead) error {
	switch {
	case original.err != nil:
		return refused(ShutEnvelopeBroken, "the letter cannot be edited: %s", sentences[ShutEnvelopeBroken])
	case original.compressed && !bytes.Equal(e.Body, original.body):
		return dlq.Errorf(dlq.CodeNotSupported, "the body could not be decompressed, so it cannot be edited").WithHint("its properties can")
	case len(e.Body) > maxBody:
		return dlq.Errorf(dlq.CodeTooLarge, "the body has %d bytes; brokers take %d at the most", len(e.Body), maxBody)
	}
	set, remove := map[string]string{}, []string{}
	for name, value := range e.Set {
		if old, had := original.properties[name]; had && old == value {
			continue
		}
		if err := checkProperty(name, value); err != nil {
			return err
		}
		set[name] = value
	}
	for _, name := range e.Remove {
		if _, had := original.properties[name]; !had || slices.Contains(remove, name) {
			continue
		}
		if _, both := e.Set[name]; both {
			return dlq.Errorf(dlq.CodeInvalid, "the property %s cannot be set and removed at once", name)
		}
		if transform.Locked(name) {
			return locked(name)
		}
		remove = append(remove, name)
	}
	slices.Sort(remove)
	e.Set, e.Remove = set, remove
	size := ownProperties
	for name, value := range clean(original.with(*e).properties) {
		size += len(name) + len(value) + 2
	}
	if size > maxProperties {
		return dlq.Errorf(dlq.CodeTooLarge, "the properties have %d bytes with those that a replay adds; brokers take %d at the most", size, maxProperties)
	}
	return nil
}

func checkProperty(name, value string) error {
	switch {
	case name == "" || value == "":
		return dlq.Errorf(dlq.CodeInvalid, "RocketMQ clients refuse a property without a name or a value").WithHint("remove the property instead")
	case strings.ContainsAny(name+value, "\x01\x02"):
		// They part the properties of a stored message (apache/rocketmq MessageDecoder.NAME_VALUE_SEPARATOR).
		return dlq.Errorf(dlq.CodeInvalid, "a property cannot hold the bytes 1 and 2")
	case transform.Locked(name):
		return locked(name)
	}
	return nil
}

func locked(name string) error {
	err := refused("locked", "the property %s belongs to RocketMQ or to this console and is locked", name)
	err.Params["name"] = name
	return err
}

// with returns the letterhead with an edit in it.
func (h letterhead) with(e dlq.Edit) letterhead {
	h.changed = h.changed || !bytes.Equal(h.body, e.Body)
	h.body, h.edit = e.Body, e.Number
	if len(e.Set)+len(e.Remove) > 0 {
		h.changed = true
		h.properties = maps.Clone(h.properties)
		if h.properties == nil {
			h.properties = map[string]string{}
		}
		maps.Copy(h.properties, e.Set)
		for _, name := range e.Remove {
			delete(h.properties, name)
		}
	}
	return h
}

// edited returns the letterhead with the letter's edit of that number in it.
func (s *Service) edited(ctx context.Context, l dlq.Letter, h letterhead, number int) (letterhead, error) {
	edits, err := s.Store.Edits(ctx, l.ID)
	if err != nil {
		return h, err
	}
	for _, e := range edits {
		switch {
		case e.Number != number:
		case e.Deaths != l.Deaths:
			return h, refused(ShutEditOutdated, "edit %d of letter %d cannot be sent: %s", number, l.ID, sentences[ShutEditOutdated]).
				WithHint("the message has died again since; look at the new dead copy and edit that")
		default:
			return h.with(e), nil
		}
	}
	return h, dlq.Errorf(dlq.CodeNotFound, "letter %d has no edit %d", l.ID, number)
}
