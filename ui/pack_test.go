package ui

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

func TestAnswersAreCompressed(t *testing.T) {
	a := newAPI(t, nil)
	long := func(url string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", url, nil)
		r.Host = "localhost"
		for _, h := range headers {
			r.Header.Set("Accept-Encoding", h)
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		return w
	}
	plain := long(apiBase + "/openapi.yaml")
	small := long(apiBase+"/openapi.yaml", "br, gzip;q=0.8")
	if plain.Header().Get("Content-Encoding") != "" || small.Header().Get("Content-Encoding") != "gzip" ||
		small.Header().Get("Vary") != "Accept-Encoding" || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("%v %v", plain.Header(), small.Header())
	}
	unpacked, err := gzip.NewReader(small.Body)
	if err != nil {
		t.Fatal(err)
	}
	sent := small.Body.Len()
	text, err := io.ReadAll(unpacked)
	if err != nil || string(text) != plain.Body.String() {
		t.Errorf("what is unpacked is not what is sent plain: %v", err)
	}
	if sent*3 > plain.Body.Len() {
		t.Errorf("%d bytes are sent in place of %d", sent, plain.Body.Len())
	}
	l := letter(41)
	l.ReasonText = strings.Repeat("no answer from the bank in 3 s\n", 100)
	a.stub.letters[41] = l
	if w := long(apiBase+"/letters/41", "gzip"); w.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("a letter is not compressed: %v", w.Header())
	}
	a.stub.body = func(int64) ([]byte, dlq.BodyState, error) { return make([]byte, 1<<16), dlq.BodyPlain, nil }
	for _, url := range []string{"/session", "/letters/41/body"} {
		if w := long(apiBase+url, "gzip"); w.Code != 200 || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", url, w.Code, w.Header())
		}
	}
	if w := long(apiBase+"/openapi.yaml", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for one who refuses it")
	}
}

// A stream is told event by event, also to one who takes compressed answers.
func TestStreamsAreNotCompressed(t *testing.T) {
	a := newAPI(t, nil)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	r := must(server.Client().Get(server.URL + apiBase + "/events"))
	defer r.Body.Close()
	if r.Header.Get("Content-Encoding") != "" || r.Uncompressed {
		t.Fatalf("%v", r.Header)
	}
	first := make(chan string, 1)
	go func() {
		buffer := make([]byte, 200)
		n, _ := r.Body.Read(buffer)
		first <- string(buffer[:n])
	}()
	select {
	case got := <-first:
		if got == "" {
			t.Error("nothing is told")
		}
	case <-time.After(30 * time.Second):
		t.Error("the first event is held back")
	}
}
