package ui

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// Properties that are not UTF-8 lose no byte in an answer, and those that are stay as they are.
func TestPropertiesThatAreNoText(t *testing.T) {
	a := newAPI(t, nil)
	a.stub.letters[41] = letter(41)
	a.stub.detail = func(d *dlq.Detail) {
		d.Properties = map[string]string{
			"plain": `C:\temp \xff 库存`, "shop": "\xbf\xe2\xb4\xe6 \\ 库", "n\xffme": "v", "n\xfeme": "w", `n\xffme`: "taken", "mark": "\ufffd",
		}
	}
	var got dlq.Detail
	w := a.call("GET", apiBase+"/letters/41", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"plain": `C:\temp \xff 库存`, "shop": `\xbf\xe2\xb4\xe6 \\ 库`, `n\xffme`: "taken", `n\xfeme`: "w", `n\xffme` + `\`: "v", "mark": "\ufffd",
	}
	if diff := cmp.Diff(want, got.Properties); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`n\xfeme`, `n\xffme` + `\`, "shop"}, got.EscapedProperties); diff != "" {
		t.Error(diff)
	}
}
