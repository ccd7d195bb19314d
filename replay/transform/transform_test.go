package transform_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/transform"

	"github.com/google/go-cmp/cmp"
)

func set(path, value string) dlq.TransformStep {
	return dlq.TransformStep{Do: dlq.TransformSet, Path: path, Value: value}
}

func remove(path string) dlq.TransformStep {
	return dlq.TransformStep{Do: dlq.TransformRemove, Path: path}
}

func rename(path, to string) dlq.TransformStep {
	return dlq.TransformStep{Do: dlq.TransformRename, Path: path, To: to}
}

func compile(t testing.TB, steps ...dlq.TransformStep) *transform.Program {
	t.Helper()
	p, err := transform.Compile(steps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBodies(t *testing.T) {
	for name, c := range map[string]struct {
		step       dlq.TransformStep
		body, want string
	}{
		"a field":                       {set("/state", `"paid"`), `{"state":"new","n":1}`, `{"state":"paid","n":1}`},
		"the rest stays byte for byte":  {set("/b", "2"), "{ \"big\" : 12345678901234567890123,\n\t\"b\":1, \"f\":1.0e2, \"u\":\"\\u5e93\\/\" }\n", "{ \"big\" : 12345678901234567890123,\n\t\"b\":2, \"f\":1.0e2, \"u\":\"\\u5e93\\/\" }\n"},
		"a big integer":                 {set("/id", "12345678901234567890123"), `{"id":1}`, `{"id":12345678901234567890123}`},
		"a member that is not there":    {set("/c", "3"), `{"a":1,"b":2}`, `{"a":1,"b":2,"c":3}`},
		"before white space":            {set("/c", "3"), "{\n  \"a\": 1\n}", "{\n  \"a\": 1,\"c\":3\n}"},
		"into an empty object":          {set("/c", "3"), `{ }`, `{"c":3 }`},
		"deep":                          {set("/a/1/b", "true"), `{"a":[{"b":0},{"b":0}]}`, `{"a":[{"b":0},{"b":true}]}`},
		"missing parents":               {set("/a/b/c", "1"), `{}`, `{"a":{"b":{"c":1}}}`},
		"an array's end":                {set("/a/-", "3"), `{"a":[1, 2 ]}`, `{"a":[1, 2,3 ]}`},
		"an array's end by its index":   {set("/a/2", "3"), `{"a":[1,2]}`, `{"a":[1,2,3]}`},
		"an empty array":                {set("/0", "3"), `[]`, `[3]`},
		"behind white space":            {set("/a", "2"), "\n\t {\"a\":1}", "\n\t {\"a\":2}"},
		"Chinese":                       {set("/收货人/姓名", `"李雷"`), `{"收货人":{"姓名":"韩梅梅"}}`, `{"收货人":{"姓名":"李雷"}}`},
		"an escaped name":               {set("/\u5e93", "2"), `{"\u5e93":1}`, `{"\u5e93":2}`},
		"names that sjson would read":   {set("/a.b|c#d@e*f?g\\h:1", "2"), `{"a":{"b":0},"a.b|c#d@e*f?g\\h:1":1}`, `{"a":{"b":0},"a.b|c#d@e*f?g\\h:1":2}`},
		"a slash and a tilde":           {set("/a~1b~0c", "2"), `{"a/b~c":1}`, `{"a/b~c":2}`},
		"the empty name":                {set("/", "2"), `{"":1}`, `{"":2}`},
		"a number as a name":            {set("/1", "2"), `{"a":0}`, `{"a":0,"1":2}`},
		"a new name is quoted":          {set("/\"\n<", "2"), `{}`, `{"\"\n<":2}`},
		"null, then something":          {set("/a", "{}"), `{"a":null}`, `{"a":{}}`},
		"remove":                        {remove("/b"), `{"a":1,"b":2,"c":3}`, `{"a":1,"c":3}`},
		"remove the first":              {remove("/a"), `{"a":1, "b":2}`, `{"b":2}`},
		"remove the last":               {remove("/b"), `{"a":1 , "b":2 }`, `{"a":1 }`},
		"remove the only one":           {remove("/a"), `{ "a" : 1 }`, `{  }`},
		"remove an element":             {remove("/1"), `[1, 2, 3]`, `[1, 3]`},
		"remove what is not there":      {remove("/a/b/7"), `{"a":1}`, `{"a":1}`},
		"remove past the end":           {remove("/a/7"), `{"a":[1]}`, `{"a":[1]}`},
		"remove beside nested commas":   {remove("/b"), `{"a":"}],\"","b":{"x":[1,{"y":"\\"}]},"c":[]}`, `{"a":"}],\"","c":[]}`},
		"rename in place":               {rename("/a", "/z"), `{"a":1,"b":2}`, `{"z":1,"b":2}`},
		"rename across":                 {rename("/a", "/b/c"), `{"a": [1, 2],"b":{}}`, `{"b":{"c":[1, 2]}}`},
		"rename makes parents":          {rename("/a", "/b/c"), `{"a":1}`, `{"b":{"c":1}}`},
		"rename what is not there":      {rename("/x", "/y"), `{"a":1}`, `{"a":1}`},
		"rename an element to a member": {rename("/a/0", "/first"), `{"a":[1,2]}`, `{"a":[2],"first":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := compile(t, c.step).Apply([]byte(c.body), nil)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if !json.Valid(got) {
				t.Errorf("%s is not JSON", got)
			}
		})
	}
}

func TestWhatCannotBeApplied(t *testing.T) {
	for name, c := range map[string]struct {
		step dlq.TransformStep
		body string
		want string
	}{
		"no JSON":                     {set("/a", "1"), `a=1`, "the body is not JSON"},
		"an empty body":               {remove("/a"), ``, "the body is not JSON"},
		"a name twice":                {set("/a", "1"), `{"a":1,"a":2}`, "/a stands in the body twice"},
		"a name twice, to be removed": {remove("/a"), `{"a":1,"\u0061":2}`, "/a stands in the body twice"},
		"a parent twice":              {remove("/a/b"), `{"a":{"b":1},"a":{"b":1}}`, "/a stands in the body twice"},
		"past the end":                {set("/a/3", "1"), `{"a":[1,2]}`, "/a/3 is past the end of the array, which has 2 elements"},
		"no index":                    {set("/a/x", "1"), `{"a":[1,2]}`, `/a is an array, and "x" is no index`},
		"a leading zero":              {set("/a/01", "1"), `{"a":[1,2]}`, `/a is an array, and "01" is no index`},
		"inside a number":             {set("/a/b", "1"), `{"a":1}`, "/a is neither an object nor an array"},
		"an index into nothing":       {set("/a/0", "1"), `{}`, "there is no /a in the body"},
		"the target is taken":         {rename("/a", "/b"), `{"a":1,"b":2}`, "there is a /b already"},
		"the target is taken inside":  {rename("/a", "/b/c"), `{"a":1,"b":{"c":2}}`, "there is a /b/c already"},
	} {
		t.Run(name, func(t *testing.T) {
			got, props, err := compile(t, c.step).Apply([]byte(c.body), map[string]string{"a": "b"})
			if dlq.CodeOf(err) != dlq.CodeRefused || err.Error() != c.want || got != nil || props != nil {
				t.Errorf("got %q, %v, %v; want %q", got, props, err, c.want)
			}
		})
	}
}

func TestProperties(t *testing.T) {
	p := compile(t,
		dlq.TransformStep{Do: dlq.TransformSetProperty, Name: dlq.PropTags, Value: "again"},
		dlq.TransformStep{Do: dlq.TransformSetProperty, Name: "color", Value: "红"},
		dlq.TransformStep{Do: dlq.TransformRemoveProperty, Name: "trial"})
	have := map[string]string{"TAGS": "first", "trial": "1", "UNIQ_KEY": "U"}
	before := maps.Clone(have)
	body, got, err := p.Apply([]byte("no JSON at all"), have)
	if err != nil || string(body) != "no JSON at all" {
		t.Fatalf("properties need no JSON: %q, %v", body, err)
	}
	if diff := cmp.Diff(map[string]string{"TAGS": "again", "color": "红", "UNIQ_KEY": "U"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, have); diff != "" {
		t.Error("the given properties changed:", diff)
	}
}

func TestRefusedAtCompile(t *testing.T) {
	property := func(name, value string) dlq.TransformStep {
		return dlq.TransformStep{Do: dlq.TransformSetProperty, Name: name, Value: value}
	}
	for name, c := range map[string]struct {
		step dlq.TransformStep
		code dlq.Code
	}{
		"an unknown step":    {dlq.TransformStep{Do: "shuffle"}, dlq.CodeInvalid},
		"no JSON":            {set("/a", "paid"), dlq.CodeInvalid},
		"the whole document": {set("", "{}"), dlq.CodeInvalid},
		"a dotted path":      {remove("a.b"), dlq.CodeInvalid},
		"a stray tilde":      {remove("/a~2"), dlq.CodeInvalid},
		"a tilde at the end": {remove("/a~"), dlq.CodeInvalid},
		"into itself":        {rename("/a", "/a/b"), dlq.CodeInvalid},
		"to itself":          {rename("/a", "/a"), dlq.CodeInvalid},
		"no name":            {property("", "x"), dlq.CodeInvalid},
		"no value":           {property("x", ""), dlq.CodeInvalid},
		"a separator":        {property("x", "a\x02b"), dlq.CodeInvalid},
		"RocketMQ's key":     {property("UNIQ_KEY", "x"), dlq.CodeRefused},
		"its timers":         {property("TIMER_OUT_MS", "1"), dlq.CodeRefused},
		"the sharding key":   {property("__SHARDINGKEY", "x"), dlq.CodeRefused},
		"our own":            {property("DLQ_REPLAY_ID", "x"), dlq.CodeRefused},
		"removing our own":   {dlq.TransformStep{Do: dlq.TransformRemoveProperty, Name: "DLQ_REPLAY_ID"}, dlq.CodeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transform.Compile([]dlq.TransformStep{set("/fine", "1"), c.step})
			if dlq.CodeOf(err) != c.code || !strings.HasPrefix(err.Error(), "step 2 of the transform: ") {
				t.Errorf("got %v (%s), want %s of step 2", err, dlq.CodeOf(err), c.code)
			}
		})
	}
}

// FuzzApply checks that bodies stay JSON whatever is done to them, that setting the same twice is setting it once, and
// that the value stands in the result as it was given.
func FuzzApply(f *testing.F) {
	f.Add(`{"a":{"b":[1,2,{"c":null}]},"d":"x"}`, "/a/b/2/c", `{"n":12345678901234567890}`)
	f.Add(` [ 1 , "}" , [ ] ] `, "/2/-", `"\u0000"`)
	f.Add(`{"":{"":0}}`, "//", `1`)
	f.Add(`{"a~b/c":"\\\"","a":1}`, "/a~0b~1c", `[ ]`)
	f.Fuzz(func(t *testing.T, body, path, value string) {
		p, err := transform.Compile([]dlq.TransformStep{set(path, value)})
		if err != nil {
			return
		}
		was := strings.Clone(body)
		out, _, err := p.Apply([]byte(body), nil)
		if err != nil {
			return
		}
		if !json.Valid(out) || body != was || !strings.Contains(string(out), strings.TrimSpace(value)) {
			t.Fatalf("%q set at %q of %q made %q", value, path, body, out)
		}
		gone, _, err := compile(t, remove(path)).Apply(out, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(gone) {
			t.Fatalf("%q removed from %q made %q", path, out, gone)
		}
		if strings.HasSuffix(path, "/-") {
			return // it names another place now
		}
		again, _, err := p.Apply(out, nil)
		if err != nil || string(again) != string(out) {
			t.Fatalf("a second time %q at %q of %q made %q, %v", value, path, out, again, err)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	p := compile(b, set("/order/state", `"paid"`), remove("/debug"))
	body := []byte(`{"pad":"` + strings.Repeat("x", 900) + `","order":{"id":42,"state":"new"},"debug":true}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Apply(body, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestBodiesInOtherCharsets(t *testing.T) {
	p := compile(t, set("/收货人/姓名", `"李雷"`), set("/new", `"付款"`))
	for _, c := range []bodytext.Charset{bodytext.GB18030, bodytext.UTF16LE, bodytext.UTF16BE} {
		in, err := bodytext.Encode(`{"收货人":{"姓名":"韩梅梅"},"订单": 1}`, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := bodytext.Encode(`{"收货人":{"姓名":"李雷"},"订单": 1,"new":"付款"}`, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := p.Apply(in, nil); err != nil || string(got) != string(want) {
			t.Errorf("%s: % x, want % x, %v", c, got, want, err)
		}
	}
	big5, err := bodytext.Encode(`{"訂單":"付款失敗"}`, bodytext.Big5, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := compile(t, set("/x", `"🙂"`)).Apply(big5, nil); dlq.CodeOf(err) != dlq.CodeRefused || !strings.Contains(err.Error(), "🙂") {
		t.Errorf("a character that Big5 lacks: %v", err)
	}
}
