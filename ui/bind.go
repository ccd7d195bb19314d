package ui

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// bodyLimit is how long the body of a request may be, in bytes; rulesLimit of one that carries rules.yaml, which may be as
// long itself and grows by the escapes of JSON.
const (
	bodyLimit  = 1 << 20
	rulesLimit = 4 << 20
)

// longBody is a request whose body may be longer.
type longBody interface {
	bodyLimit() int64
}

// checker is a request that knows what else must hold for it.
type checker interface {
	check(now time.Time) error
}

// bind fills a request struct: fields tagged path from the path, those tagged query from the query, those tagged header
// from the headers, those tagged json from the body, and then lets the request check itself. What the struct does not know is refused with the name that was
// probably meant, since a misspelt field that is ignored does something else than what was asked. It returns the body as
// it came.
func bind(c echo.Context, req any, now time.Time) ([]byte, error) {
	v := reflect.ValueOf(req).Elem()
	if err := bindPath(c, v); err != nil {
		return nil, err
	}
	if err := bindQuery(c.Request().URL, v); err != nil {
		return nil, err
	}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("header"); name != "" {
			v.Field(i).SetString(c.Request().Header.Get(name))
		}
	}
	body, err := bindBody(c, v)
	if err != nil {
		return nil, err
	}
	if r, ok := req.(checker); ok {
		if err := r.check(now); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func bindPath(c echo.Context, v reflect.Value) error {
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("path")
		if v.Type().Field(i).Anonymous {
			if err := bindPath(c, v.Field(i)); err != nil {
				return err
			}
		}
		if name == "" {
			continue
		}
		text := c.Param(name)
		if c.Request().URL.RawPath != "" { // then echo matched the raw path and left its escapes in the parameters
			var err error
			if text, err = url.PathUnescape(text); err != nil {
				return dlq.Errorf(dlq.CodeInvalid, "the path is not escaped well: %w", err)
			}
		}
		if v.Field(i).Kind() == reflect.Int64 {
			id, err := dlq.ParseID(text)
			if err != nil {
				return err
			}
			v.Field(i).SetInt(id)
			continue
		}
		v.Field(i).SetString(text)
	}
	return nil
}

// bindQuery reads query parameters. An empty value of a list of free texts asks for what has none, such as letters without
// a rule; an empty free text is as good as none; any other empty value is refused, since one that is passed over makes a
// selection wider than was meant.
func bindQuery(u *url.URL, v reflect.Value) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return dlq.Errorf(dlq.CodeInvalid, "the query is not escaped well: %w", err)
	}
	fields := map[string]reflect.Value{}
	queryFields(v, fields)
	for name, given := range values {
		field, ok := fields[name]
		if !ok {
			return unknownName("query parameter", name, keys(fields))
		}
		if field.Kind() != reflect.Slice && len(given) > 1 {
			return dlq.Errorf(dlq.CodeInvalid, "the query parameter %q is given %d times, and may be given once", name, len(given))
		}
		for _, text := range given {
			if text == "" && !freeText(field.Type()) {
				return dlq.Errorf(dlq.CodeInvalid, "the query parameter %q is empty", name).WithHint("leave it out")
			}
			if err := setText(field, text); err != nil {
				return dlq.Errorf(dlq.CodeInvalid, "the query parameter %q is %s", name, err)
			}
		}
	}
	return nil
}

func queryFields(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			queryFields(v.Field(i), into)
		} else if name := f.Tag.Get("query"); name != "" {
			into[name] = v.Field(i)
		}
	}
}

func freeText(t reflect.Type) bool {
	return t == reflect.TypeFor[string]() || t == reflect.TypeFor[[]string]()
}

// setText sets a field from text; a slice gets one more member.
func setText(field reflect.Value, text string) error {
	switch {
	case field.Kind() == reflect.Slice:
		one := reflect.New(field.Type().Elem()).Elem()
		if err := setText(one, text); err != nil {
			return err
		}
		field.Set(reflect.Append(field, one))
	case field.Type() == reflect.TypeFor[*time.Time]():
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return errors.New("not an instant such as 2026-11-21T06:24:00Z")
		}
		at = at.UTC()
		field.Set(reflect.ValueOf(&at))
	case field.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a whole number")
		}
		field.SetInt(int64(n))
	default:
		field.SetString(text)
	}
	return nil
}

// ownBody is a request that reads its body itself.
type ownBody interface {
	decode(body []byte) error
}

func bindBody(c echo.Context, v reflect.Value) ([]byte, error) {
	own, custom := v.Addr().Interface().(ownBody)
	if !custom && len(jsonFields(v)) == 0 {
		return nil, nil
	}
	r := c.Request()
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the body is not application/json").WithHint("send the header \"Content-Type: application/json\"")
	}
	limit := int64(bodyLimit)
	if long, ok := v.Addr().Interface().(longBody); ok {
		limit = long.bodyLimit()
	}
	tooLarge := dlq.Errorf(dlq.CodeTooLarge, "the body is longer than %d bytes", limit).WithHint("send it in parts")
	if r.ContentLength > limit { // it says so itself: keep nothing of it
		return nil, drained(r, tooLarge)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if int64(len(body)) > limit {
		return nil, drained(r, tooLarge)
	}
	if err != nil {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the body could not be read: %w", err)
	}
	if !utf8.Valid(body) { // the JSON reader would put other characters in their place
		return nil, dlq.Errorf(dlq.CodeInvalid, "the body is not UTF-8").WithHint("JSON is always sent in UTF-8")
	}
	if custom {
		return body, own.decode(body)
	}
	return body, decodeJSON(body, v, "")
}

// drained reads what is left of a body, within reason, and throws it away: a caller that is still sending when the
// connection is closed sees a broken connection in place of the answer.
func drained(r *http.Request, answer error) error {
	const reason = 16 << 20
	_, _ = io.CopyN(io.Discard, r.Body, reason) // the answer is the same however it ends
	return answer
}

// decodeJSON reads JSON into v, strictly: names are exact, unknown and repeated ones are refused, and null counts as
// left out. at is the path to the value for messages, "" for the whole.
func decodeJSON(text []byte, v reflect.Value, at string) error {
	t := v.Type()
	switch {
	case string(bytes.TrimSpace(text)) == "null":
		if at == "" {
			return wrongJSON(at, "an object")
		}
		return nil
	case t.Kind() == reflect.Pointer:
		one := reflect.New(t.Elem())
		if err := decodeJSON(text, one.Elem(), at); err != nil {
			return err
		}
		v.Set(one)
		return nil
	case t == reflect.TypeFor[time.Time]():
		at2 := time.Time{}
		if err := json.Unmarshal(text, &at2); err != nil {
			return wrongJSON(at, "an instant such as \"2026-11-21T06:24:00Z\"")
		}
		v.Set(reflect.ValueOf(at2.UTC()))
		return nil
	case t == reflect.TypeFor[dlq.Duration]():
		return decodeText(text, v, at, "a duration such as \"10s\", \"5m\" or \"2d\"")
	case t.Kind() == reflect.Struct:
		return decodeObject(text, v, at)
	case t == reflect.TypeFor[[]byte]():
		if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
			return wrongJSON(at, "bytes in base64")
		}
		return nil
	case t.Kind() == reflect.Slice:
		var parts []json.RawMessage
		if err := json.Unmarshal(text, &parts); err != nil {
			return wrongJSON(at, "a list")
		}
		list := reflect.MakeSlice(t, len(parts), len(parts))
		for i, part := range parts {
			if string(part) == "null" {
				return wrongJSON(fmt.Sprintf("%s[%d]", at, i), "a value")
			}
			if err := decodeJSON(part, list.Index(i), fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	default:
		if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
			return wrongJSON(at, wordFor(t))
		}
		return nil
	}
}

// wordFor says what JSON must hold for a value of this type.
func wordFor(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Map:
		if t.Elem().Kind() == reflect.Slice {
			return "an object of lists of text"
		}
		return "an object of texts"
	default:
		return "text"
	}
}

func decodeText(text []byte, v reflect.Value, at, want string) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return wrongJSON(at, want)
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		return wrongJSON(at, want)
	}
	return nil
}

// decodeObject reads one object. at is the path to it, "" for the whole body.
func decodeObject(text []byte, v reflect.Value, at string) error {
	fields := jsonFields(v)
	d := json.NewDecoder(bytes.NewReader(text))
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return wrongJSON(at, "an object")
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return wrongJSON(at, "JSON")
		}
		name := key.(string) // an object's keys are strings, or Token fails
		path := strings.TrimPrefix(at+"."+name, ".")
		field, ok := fields[name]
		switch {
		case !ok:
			return unknownName("field", path, keys(fields))
		case seen[name]:
			return dlq.Errorf(dlq.CodeInvalid, "the field %q stands twice in the body", path)
		}
		seen[name] = true
		var part json.RawMessage
		if err := d.Decode(&part); err != nil {
			return wrongJSON(path, "JSON")
		}
		if err := decodeJSON(part, field, path); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return wrongJSON(at, "JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return dlq.Errorf(dlq.CodeInvalid, "something follows the end of the body's object")
	}
	return nil
}

func jsonFields(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			for k, field := range jsonFields(v.Field(i)) {
				fields[k] = field
			}
		case name != "" && name != "-":
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// wrongJSON never repeats the value: it may be secret.
func wrongJSON(at, want string) error {
	if at == "" {
		return dlq.Errorf(dlq.CodeInvalid, "the body is not %s", want).WithHint("send one JSON object")
	}
	return dlq.Errorf(dlq.CodeInvalid, "the field %q is not %s", at, want)
}

// unknownName refuses a name that is not known, with the nearest one that is.
func unknownName[T ~string](what, name string, known []T) error {
	err := dlq.Errorf(dlq.CodeInvalid, "the %s %q is not known here", what, cut(name, 80))
	last := name[strings.LastIndexByte(name, '.')+1:]
	if near, ok := nearest(last, known); ok {
		return err.WithHint("did you mean %q?", near)
	}
	return err.WithHint("known are: %s", joined(known))
}

func keys(m map[string]reflect.Value) []string { return sortedKeys(m) }

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func joined[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

func idTexts(ids []int64) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return texts
}

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return dlq.Cut(s, limit) + "…"
}

// nearest returns the word that differs least from s, if it differs by at most two letters and less than half of it.
func nearest[T ~string](s string, words []T) (best T, ok bool) {
	if len(s) > 80 {
		return best, false
	}
	least := min(3, (len(s)+1)/2)
	for _, w := range words {
		if d := distance(strings.ToLower(s), string(w)); d < least {
			best, least, ok = w, d, true
		}
	}
	return best, ok
}

// distance counts, in bytes, how many letters are to be changed, added, left out, or exchanged with their neighbour.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
