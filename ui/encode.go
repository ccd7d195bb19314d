package ui

import (
	"encoding/json"
	"reflect"

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
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Blob(status, contentType, text)
}

// encode writes JSON in which a list or a map is never null: a reader need not ask before it counts. The characters
// < > & are escaped, so that even a browser that guesses would see no HTML.
func encode(v any) ([]byte, error) {
	filled := reflect.New(reflect.TypeOf(v)).Elem()
	fill(filled, reflect.ValueOf(v))
	return json.Marshal(filled.Interface())
}

// fill copies from to to and makes nil slices and maps empty on the way. It never writes to what from shares with others.
func fill(to, from reflect.Value) {
	to.Set(from)
	switch t := from.Type(); t.Kind() {
	case reflect.Pointer:
		if !from.IsNil() && holdsLists(t.Elem()) {
			to.Set(reflect.New(t.Elem()))
			fill(to.Elem(), from.Elem())
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && holdsLists(t.Field(i).Type) {
				fill(to.Field(i), from.Field(i))
			}
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return
		}
		if from.IsNil() || holdsLists(t.Elem()) {
			to.Set(reflect.MakeSlice(t, from.Len(), from.Len()))
			for i := range from.Len() {
				fill(to.Index(i), from.Index(i))
			}
		}
	case reflect.Map:
		if from.IsNil() {
			to.Set(reflect.MakeMap(t))
		}
	}
}

// holdsLists reports whether a value of the type may hold a slice or a map. The types of the API do not contain themselves.
func holdsLists(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return true
	case reflect.Pointer:
		return holdsLists(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && holdsLists(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
