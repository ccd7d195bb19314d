package ui

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// bodyOf is a store whose one letter has a body.
type bodyOf struct {
	Store
	body []byte
}

func (b bodyOf) Body(context.Context, int64) ([]byte, dlq.BodyState, error) {
	return b.body, dlq.BodyPlain, nil
}

func TestWhatABodySays(t *testing.T) {
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	const text = `{"name":"张三","text":"连接超时"}`
	gb, err := bodytext.Encode(text, bodytext.GB18030, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(body []byte, query string) BodyText {
		t.Helper()
		a := newAPI(t, func(d *Deps) { d.Store = bodyOf{d.Store, body} })
		w := a.call("GET", apiBase+"/letters/1/text"+query, "")
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return decode[BodyText](t, w.Body.Bytes())
	}
	if b := ask([]byte(text), ""); b.Text != text || b.Charset != bodytext.UTF8 || b.Size != len(text) {
		t.Errorf("UTF-8: %+v", b)
	}
	if b := ask(gb, ""); b.Text != text || b.Charset != bodytext.GB18030 || b.Detected != bodytext.GB18030 || b.Wrong != 0 {
		t.Errorf("GB18030: %+v", b)
	}
	if b := ask(gb, "?charset=utf-8"); b.Charset != bodytext.UTF8 || b.Detected != bodytext.GB18030 || b.Wrong == 0 {
		t.Errorf("GB18030 read as UTF-8: %+v", b)
	}
	if b := ask(pack(gb), ""); b.Text != text || b.Charset != bodytext.GB18030 || b.Format != "gzip" || b.Opened != len(gb) {
		t.Errorf("in gzip: %+v", b)
	}
	if b := ask([]byte("\x00\x01order-123456\x00"), ""); b.Charset != bodytext.Binary || len(b.Pieces) != 1 || b.Pieces[0] != (bodytext.Piece{Offset: 2, Text: "order-123456"}) {
		t.Errorf("binary: %+v", b)
	}
	bomb := pack(bytes.Repeat([]byte("order "), 4<<20))
	if len(bomb)*maxRatioOfTest > 24<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	if b := ask(bomb, ""); !b.OverLimit || b.Text != "" || b.Format != "gzip" || b.Opened != 0 {
		t.Errorf("a bomb: %+v", b)
	}
	if b := ask(bomb, "?open=600"); b.OverLimit || !b.More || b.Opened != 600 || b.Text != strings.Repeat("order ", 100) {
		t.Errorf("a bomb up to 600 bytes: %+v", b)
	}
	if b := ask(bomb, fmt.Sprint("?open=", maxOpen)); !b.More || b.Opened != maxOpen {
		t.Errorf("a bomb up to the most: %d", b.Opened)
	}
	a := newAPI(t, nil)
	for _, query := range []string{"?charset=klingon", "?open=-1", fmt.Sprint("?open=", maxOpen+1)} {
		if w := a.call("GET", apiBase+"/letters/1/text"+query, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// maxRatioOfTest is below the ratio of the bomb: it must be one.
const maxRatioOfTest = 200
