package ui

import (
	"context"
	"time"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

const (
	maxOpen   = 16 << 20  // bytes to which a person may have a body opened
	maxPieces = 256 << 10 // bytes of texts that are shown of a binary body
)

// checkCharset refuses a charset that does not exist. "" is none.
func checkCharset(c bodytext.Charset) error {
	return oneOf("charset", bodytext.Charsets, []bodytext.Charset{c})
}

// textQuery asks what a body says.
type textQuery struct {
	letterID
	Charset bodytext.Charset `query:"charset"`
	Open    int              `query:"open"`
}

func (q *textQuery) check(time.Time) error {
	if q.Open != 0 {
		if err := within("open", &q.Open, maxOpen, maxOpen); err != nil {
			return err
		}
	}
	return checkCharset(q.Charset)
}

// BodyText is what a body says. Nothing of it is what a replay sends: those are the bytes.
type BodyText struct {
	Size      int              `json:"size"`       // bytes of the body as stored
	State     dlq.BodyState    `json:"state"`      // what became of it on its way in
	Format    string           `json:"format"`     // how it is compressed by its application, or still is; "" for not
	Opened    int              `json:"opened"`     // bytes of what was inside it that were read
	OverLimit bool             `json:"over_limit"` // there is more inside than is opened unasked; nothing was read
	More      bool             `json:"more"`       // there is more inside than was asked for
	Broken    bool             `json:"broken"`     // what is inside ends in the middle
	Detected  bodytext.Charset `json:"detected"`   // in which charset it is written, as far as can be told; "" for no text
	Charset   bodytext.Charset `json:"charset"`    // in which Text was read
	Text      string           `json:"text"`
	Wrong     int              `json:"wrong"`  // places that are not of the charset, shown as U+FFFD
	Pieces    []bodytext.Piece `json:"pieces"` // texts that stand in bytes that are none
	Cut       bool             `json:"cut"`    // there are more such texts
}

// getBodyText reads a body as text. Bodies that an application has compressed, or whose compression could not be undone on
// their way in, are opened up to a limit, or up to the size that is asked for; large ones one after another.
func (s *Server) getBodyText(ctx context.Context, q *textQuery) (BodyText, error) {
	body, state, err := s.Store.Body(ctx, q.ID)
	if err != nil {
		return BodyText{}, err
	}
	if q.Open > 0 {
		select {
		case s.opening <- struct{}{}:
			defer func() { <-s.opening }()
		case <-ctx.Done():
			return BodyText{}, ctx.Err()
		}
	}
	t := BodyText{Size: len(body), State: state}
	t.Detected = bodytext.Detect(body)
	if t.Detected == bodytext.Binary {
		limit := q.Open
		if limit == 0 {
			limit = bodytext.Limit(len(body))
		}
		if o := bodytext.Open(body, limit); o.Format != "" {
			t.Format, t.OverLimit = o.Format, o.More && q.Open == 0
			if t.OverLimit {
				return t, nil
			}
			body, t.Opened, t.More, t.Broken = o.Body, len(o.Body), o.More, o.Broken
			t.Detected = bodytext.Detect(bodytext.Whole(body, o.More || o.Broken))
		}
	}
	t.Charset = t.Detected
	if q.Charset != "" {
		t.Charset = q.Charset
	}
	if t.Charset == bodytext.Binary {
		t.Pieces, t.Cut = bodytext.Pieces(body, maxPieces)
		return t, nil
	}
	t.Text, t.Wrong = bodytext.Decode(body, t.Charset)
	return t, nil
}
