package replay

import (
	"bytes"
	"testing"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// A body in another charset is edited as text and keeps its charset; a character that the charset lacks is named.
func TestEditInOtherCharsets(t *testing.T) {
	for c, text := range map[bodytext.Charset]string{bodytext.GB18030: `{"name":"张三","text":"连接超时"}`, bodytext.Big5: `{"name":"陳小明","text":"訂單失敗"}`,
		bodytext.ShiftJIS: `{"name":"田中","text":"注文の支払いに失敗"}`, bodytext.UTF16LE: `{"name":"张三","text":"连接超时"}`} {
		store, _, s := editable()
		original, err := bodytext.Encode(text, c, []byte("\xff\xfe")) // with a byte order mark where there is one
		if err != nil {
			t.Fatal(err)
		}
		setBody(store, original)
		if e, err := s.Editable(t.Context(), 1, ""); err != nil || e.Charset != string(c) || e.Transcript || !bytes.Equal(e.Body, original) {
			t.Errorf("%s as it is: %+v, %v", c, e, err)
		}
		e, err := s.Editable(t.Context(), 1, ReadAsText)
		if err != nil || e.Charset != string(c) || !e.Transcript || string(e.Body) != text {
			t.Fatalf("%s as text: %q in %s, %v", c, e.Body, e.Charset, err)
		}
		_, _, err = s.Edit(t.Context(), dlq.Edit{LetterID: 1, Note: "n", Body: e.Body, Charset: e.Charset}, 1)
		if dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%s, no change: %v", c, err)
		}
		changed := bytes.Replace(e.Body, []byte("name"), []byte("nick"), 1)
		made, _, err := s.Edit(t.Context(), dlq.Edit{LetterID: 1, Note: "n", Body: changed, Charset: e.Charset}, 1)
		want, _ := bodytext.Encode(string(changed), c, []byte("\xff\xfe"))
		if err != nil || !bytes.Equal(made.Body, want) {
			t.Fatalf("%s: % x, want % x, %v", c, made.Body, want, err)
		}
		if e, err := s.Editable(t.Context(), 1, ReadAsText); err != nil || len(e.Edits) != 1 || !bytes.Equal(e.Edits[0].Body, changed) {
			t.Errorf("%s, the edit as text: %+v, %v", c, e.Edits, err)
		}
		_, _, err = s.Edit(t.Context(), dlq.Edit{LetterID: 1, Note: "n", Body: append(e.Body, "🙂"...), Charset: e.Charset}, 2)
		if c == bodytext.Big5 || c == bodytext.ShiftJIS {
			problem, _ := err.(*dlq.Error)
			if problem == nil || problem.Code != dlq.CodeInvalid || problem.Params["character"] != "🙂" {
				t.Errorf("%s lacks a character: %v", c, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
	// Bytes that are no text stay bytes, and so does a text of which a part cannot be read.
	store, _, s := editable()
	for _, body := range []string{"\x00\x01\xff", "\xd5\xc5\xc8\xfd\xd5\xc5\xc8\xfd\xff"} {
		setBody(store, []byte(body))
		for _, c := range []string{ReadAsText, "utf-8", "big5"} {
			if e, err := s.Editable(t.Context(), 1, c); err != nil || e.Transcript || string(e.Body) != body {
				t.Errorf("%q in %s: %+v, %v", body, c, e, err)
			}
		}
	}
}

func setBody(store *fakeStore, body []byte) {
	m := store.messages[1]
	m.Body = body
	store.messages[1] = m
}
