package ui

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPage(t *testing.T) {
	a := newAPI(t, nil)
	const html = "Accept: text/html,application/xhtml+xml"
	for _, tt := range []struct {
		name, method, url string
		headers           []string
		status            int
		must              string
		cache             string
	}{
		{"the page", "GET", "/", []string{html}, 200, "<title>page</title>", "no-store"},
		{"the page for anybody", "GET", "/", nil, 200, "<title>page</title>", "no-store"},
		{"by its name", "GET", "/index.html", nil, 200, "<title>page</title>", "no-store"},
		{"a view", "GET", "/letters/41?tab=open", []string{html}, 200, "<title>page</title>", "no-store"},
		{"a view with a dotted name", "GET", "/groups/pay.v2", []string{html}, 200, "<title>page</title>", "no-store"},
		{"a head of a view", "HEAD", "/letters/41", []string{html}, 200, "", "no-store"},
		{"a view for a script", "GET", "/letters/41", []string{"Accept: */*"}, 404, "not_found", "no-store"},
		{"an asset", "GET", "/assets/app-1a2b.js", []string{"Accept: */*"}, 200, "console.log", "public, max-age=31536000, immutable"},
		{"an asset of another build", "GET", "/assets/app-0000.js", []string{html}, 404, "not_found", "no-store"},
		{"an icon", "GET", "/icon.svg", nil, 200, "<svg/>", "no-cache"},
		{"the folder of assets", "GET", "/assets/", []string{html}, 200, "<title>page</title>", "no-store"},
		{"a way out", "GET", "/../../etc/passwd", nil, 404, "not_found", "no-store"},
		{"an escaped way out", "GET", "/assets/%2e%2e/%2e%2e/go.mod", nil, 404, "not_found", "no-store"},
		{"a hidden file", "GET", "/.gitkeep", nil, 404, "not_found", "no-store"},
		{"api", "GET", "/api", []string{html}, 404, "not_found", "no-store"},
		{"below api", "GET", "/api/v2/letters", []string{html}, 404, "not_found", "no-store"},
		{"api round a corner", "GET", "/x/../api/v1/none", []string{html}, 404, "not_found", "no-store"},
		{"a write to a view", "POST", "/letters/41", []string{html}, 404, "not_found", "no-store"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := a.call(tt.method, tt.url, "", tt.headers...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.must) || w.Header().Get("Cache-Control") != tt.cache {
				t.Errorf("%d %v %.200s", w.Code, w.Header(), w.Body)
			}
			policy := contentPolicy
			if strings.HasPrefix(tt.url, "/assets/app-1a2b") {
				policy = "" // a script is no document
			}
			if w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("X-Content-Type-Options") != "nosniff" ||
				policy != "" && w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func TestPolicyIsStrict(t *testing.T) {
	for _, word := range []string{"unsafe", "*", "http:", "https:", "blob:"} {
		if strings.Contains(contentPolicy, word) {
			t.Errorf("the policy allows %s", word)
		}
	}
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(contentPolicy, part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
}

func TestPageIsCompressedAndRevalidated(t *testing.T) {
	a := newAPI(t, nil)
	w := a.call("GET", "/assets/app-1a2b.js", "", "Accept-Encoding: br, gzip")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Fatalf("%v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(text, []byte(strings.Repeat("console.log(1);\n", 100))) {
		t.Errorf("%q %v", text, err)
	}
	plain := a.call("GET", "/assets/app-1a2b.js", "", "Accept-Encoding: gzip;q=0")
	if plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("ETag") == w.Header().Get("ETag") {
		t.Errorf("%v", plain.Header())
	}
	for _, tag := range []string{plain.Header().Get("ETag"), w.Header().Get("ETag")} {
		if again := a.call("GET", "/assets/app-1a2b.js", "", "Accept-Encoding: gzip", "If-None-Match: W/\"x\", "+tag); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s: %d", tag, again.Code)
		}
	}
	if other := a.call("GET", "/assets/app-1a2b.js", "", "If-None-Match: \"x\""); other.Code != 200 {
		t.Errorf("another tag: %d", other.Code)
	}
	if small := a.call("GET", "/icon.svg", "", "Accept-Encoding: gzip"); small.Header().Get("Content-Encoding") != "" {
		t.Error("a file is compressed that gets no shorter")
	}
}

func TestTheBuiltPageIsThere(t *testing.T) {
	p, err := loadPage(builtPage())
	if err != nil {
		t.Fatal(err)
	}
	if text := string(p.files["index.html"].plain); strings.Contains(text, "<script>") || strings.Contains(text, "style=") {
		t.Errorf("index.html has inline code, which the policy forbids:\n%s", text)
	}
	if _, err := loadPage(fstest.MapFS{"app.js": {}}); err == nil {
		t.Error("a page without index.html is served")
	}
}

// The build's own compressed files are handed out to those who take them, and to nobody by name.
func TestBrotli(t *testing.T) {
	plain := strings.Repeat("console.log(1);\n", 100)
	a := newAPI(t, func(d *Deps) {
		d.Dist = fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}, "assets/app-1.js": {Data: []byte(plain)}, "assets/app-1.js.br": {Data: []byte("small")}}
	})
	for header, want := range map[string]string{"gzip, br": "br", "gzip, br;q=0": "gzip", "gzip": "gzip", "": ""} {
		w := a.call("GET", "/assets/app-1.js", "", "Accept-Encoding: "+header)
		if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Vary") != "Accept-Encoding" || want == "br" && w.Body.String() != "small" {
			t.Errorf("%q: %q %v", header, got, w.Header())
		}
	}
	if w := a.call("GET", "/assets/app-1.js.br", ""); w.Code != 404 {
		t.Errorf("by name: %d", w.Code)
	}
}
