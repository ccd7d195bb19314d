package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed all:dist
var dist embed.FS

func builtPage() fs.FS {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	return built
}

// page is the built web page, held in memory and compressed once.
type page struct {
	files map[string]*file // by URL path without the leading slash
}

type file struct {
	plain, gzipped []byte // gzipped is nil where it does not pay
	brotli         []byte // made by the build, where it pays
	contentType    string
	etag           string
	cache          string
}

// contentTypes are those of the files that a build makes; the system's own tables differ from machine to machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".txt": "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
}

// packedEnding is how the names of files end that the build compressed with brotli. Browsers take these over https and from
// this machine.
const packedEnding = ".br"

func loadPage(built fs.FS) (*page, error) {
	p := &page{files: map[string]*file{}}
	brotli := map[string][]byte{}
	err := fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		text, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, packedEnding) {
			brotli[strings.TrimSuffix(name, packedEnding)] = text
			return nil
		}
		p.files[name], err = newFile(name, text)
		return err
	})
	for name, text := range brotli {
		if f := p.files[name]; f != nil && len(text) < len(f.plain)*9/10 {
			f.brotli = text
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the built page: %w", err)
	}
	if p.files["index.html"] == nil {
		return nil, fmt.Errorf("the built page has no index.html")
	}
	return p, nil
}

func newFile(name string, text []byte) (*file, error) {
	f := &file{plain: text, contentType: contentTypes[path.Ext(name)], etag: fmt.Sprintf(`"%.16x"`, sha256.Sum256(text)), cache: "no-cache"}
	if f.contentType == "" {
		if f.contentType = mime.TypeByExtension(path.Ext(name)); f.contentType == "" {
			f.contentType = "application/octet-stream"
		}
	}
	switch {
	case name == "index.html":
		f.cache = "no-store" // it names the hashed files of one build
	case strings.HasPrefix(name, "assets/"):
		f.cache = "public, max-age=31536000, immutable" // the name has the hash of the content
	}
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if small.Len() < len(text)*9/10 {
		f.gzipped = small.Bytes()
	}
	return f, nil
}

// serve hands out a file of the page. Under any other path a browser that navigates gets index.html, since every view has
// a URL of its own; whatever asks for something else than HTML is told that it is not there.
func (p *page) serve(c echo.Context) error {
	r := c.Request()
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" {
		name = "index.html"
	}
	f := p.files[name]
	if f == nil {
		view := strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(name, "api/") && name != "api" && !strings.HasPrefix(name, "assets/")
		if !view {
			return echo.ErrNotFound
		}
		f = p.files["index.html"]
	}
	h := c.Response().Header()
	h.Set("Cache-Control", f.cache)
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding")
	// The compressed form has the same tag with an ending.
	if f.cache != "no-store" && strings.Contains(r.Header.Get("If-None-Match"), strings.TrimSuffix(f.etag, `"`)) {
		return c.NoContent(http.StatusNotModified)
	}
	if strings.HasPrefix(name, "assets/") { // what holds for documents only is not said of scripts and styles
		for _, name := range []string{"Content-Security-Policy", "Referrer-Policy", "Cross-Origin-Opener-Policy"} {
			h.Del(name)
		}
	}
	text := f.plain
	if f.brotli != nil && accepts(r.Header.Get("Accept-Encoding"), "br") {
		text = f.brotli
		h.Set("Content-Encoding", "br")
		h.Set("ETag", strings.TrimSuffix(f.etag, `"`)+`-br"`)
	} else if f.gzipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		text = f.gzipped
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", strings.TrimSuffix(f.etag, `"`)+`-gz"`)
	}
	return c.Blob(http.StatusOK, f.contentType, text)
}

func acceptsGzip(header string) bool { return accepts(header, "gzip") }

// accepts reads Accept-Encoding; "gzip;q=0" refuses gzip.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if q = strings.ReplaceAll(q, " ", ""); strings.EqualFold(strings.TrimSpace(name), coding) {
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
