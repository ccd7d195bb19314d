package ui

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
)

func writeJSON(c echo.Context, status int, v any) error {
	return writeJSONAs(c, status, "application/json", v)
}

func writeJSONAs(c echo.Context, status int, contentType string, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return writeText(c, status, contentType, text)
}

func writeText(c echo.Context, status int, contentType string, text []byte) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	if len(text) >= worthPacking && contentType != "application/octet-stream" {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(c.Request().Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			text = packed(text)
		}
	}
	return c.Blob(status, contentType, text)
}

// worthPacking is how long an answer is that is compressed, in bytes: a shorter one fits into a packet as it is.
//
// Compression tells by its length whether a secret is like what an attacker had written beside it (BREACH). Answers that are
// compressed hold no secret that lets in: cookies and tokens go in headers and requests, and pages of other sites cannot make a
// browser ask with its cookie, which is SameSite=Strict. Live streams and the bytes of a message are never compressed.
const worthPacking = 1400

var packers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, packLevel)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// packLevel is the quickest of a library whose quickest level makes a list of fifty letters as small as level 4 of the standard
// library does, in a quarter of its time.
const packLevel = gzip.BestSpeed

func packed(text []byte) []byte {
	var small bytes.Buffer
	small.Grow(len(text) / 4)
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&small)
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return small.Bytes()
}

// encode writes JSON in which a list or a map is never null: a reader need not ask before it counts. The characters
// < > & are escaped, so that even a browser that guesses would see no HTML.
func encode(v any) ([]byte, error) {
	own := reflect.New(reflect.TypeOf(v)).Elem()
	own.Set(reflect.ValueOf(v))
	fill(own, listsOf(own.Type()))
	return json.Marshal(own.Interface())
}

// lists says where in the values of a type slices and maps may be, so that lists of hundreds of values are not searched
// field by field each time.
type lists struct {
	within *lists // of what a pointer leads to, or of a slice's members; nil for none
	fields []listField
}

type listField struct {
	index int
	lists *lists
}

var listsByType sync.Map // reflect.Type to *lists, nil where there are none; types do not change

// listsOf returns where a type's slices and maps are, nil for nowhere. The types of the API do not contain themselves.
func listsOf(t reflect.Type) *lists {
	if known, ok := listsByType.Load(t); ok {
		return known.(*lists)
	}
	var l *lists
	switch t.Kind() {
	case reflect.Map:
		l = &lists{}
	case reflect.Slice:
		l = &lists{within: listsOf(t.Elem())}
	case reflect.Pointer:
		if within := listsOf(t.Elem()); within != nil {
			l = &lists{within: within}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				if of := listsOf(f.Type); of != nil {
					if l == nil {
						l = &lists{}
					}
					l.fields = append(l.fields, listField{i, of})
				}
			}
		}
	}
	listsByType.Store(t, l)
	return l
}

// fill makes nil slices and maps empty. It changes v alone: what v shares with others is copied first.
func fill(v reflect.Value, l *lists) {
	if l == nil {
		return
	}
	switch t := v.Type(); t.Kind() {
	case reflect.Struct:
		for _, f := range l.fields {
			fill(v.Field(f.index), f.lists)
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(t))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(t.Elem())
			own.Elem().Set(v.Elem())
			fill(own.Elem(), l.within)
			v.Set(own)
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return
		}
		if v.IsNil() {
			v.Set(reflect.MakeSlice(t, 0, 0))
		}
		if l.within == nil || v.Len() == 0 {
			return
		}
		own := reflect.MakeSlice(t, v.Len(), v.Len())
		reflect.Copy(own, v)
		for i := range own.Len() {
			fill(own.Index(i), l.within)
		}
		v.Set(own)
	}
}
