package remoting

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestStandardJSON(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"JSON stays":             {`{"a":[1,-2.5e3,true,null,"x\"yé"],"b":{}}`, `{"a":[1,-2.5e3,true,null,"x\"yé"],"b":{}}`},
		"bare number as key":     {`{"brokerAddrs":{0:"127.0.0.1:10911",-1:"b"}}`, `{"brokerAddrs":{"0":"127.0.0.1:10911","-1":"b"}}`},
		"object as key":          {`{{"queueId":0,"topic":"%DLQ%G1"}:{"maxOffset":3}}`, `{"{\"queueId\":0,\"topic\":\"%DLQ%G1\"}":{"maxOffset":3}}`},
		"quotes in object key":   {`{{"topic":"a\"b"}:1}`, `{"{\"topic\":\"a\\\"b\"}":1}`},
		"bare word as key":       {`{null:1,a:2}`, `{"null":1,"a":2}`},
		"blanks":                 {" { 0 : [ 1 , 2 ] } \n", `{"0":[1,2]}`},
		"control character":      {"\"a\x01b\"", `"a\u0001b"`},
		"large integers":         {`{"n":9007199254740993}`, `{"n":9007199254740993}`},
		"array as key":           {`{[1,2]:3}`, `{"[1,2]":3}`},
		"empty":                  {`{}`, `{}`},
		"object key in an array": {`[{{"a":1}:2},{}]`, `[{"{\"a\":1}":2},{}]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := standardJSON([]byte(tt.in))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestStandardJSONRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing": "", "open object": "{", "open string": `"abc`, "two values": "1 2", "no value": `{"a":}`, "no colon": `{"a" 1}`,
		"trailing comma": "[1,]", "bad escape": `"\q"`, "escape at the end": `"\`, "bare word": "hello", "bad number": "01", "empty key": "{:1}",
		"too deep": strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "keys in keys": strings.Repeat("{", 60) + strings.Repeat("}:1}", 30),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := standardJSON([]byte(in)); err == nil {
				t.Errorf("accepted as %s", got)
			}
		})
	}
}

func TestScalarText(t *testing.T) {
	var got map[string]text
	if err := decodeJSON([]byte(`{"a":"x","b":12,"c":true,"d":null,"e":{0:1}}`), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]text{"a": "x", "b": "12", "c": "true", "d": "", "e": `{"0":1}`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzStandardJSON(f *testing.F) {
	for _, s := range []string{
		`{"brokerAddrs":{0:"127.0.0.1:10911"}}`, `{"offsetTable":{{"brokerName":"b1","queueId":0,"topic":"%DLQ%G1"}:{"maxOffset":3}}}`,
		`[1,-2.5e3,true,null,"x\"\u00e9"]`, `{{{"a":1}:2}:3}`, "\"\x01\"", `{null:1}`, `"\`, "{:}", `{"topicList":["a","b"]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := standardJSON(in)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q became %q, which is not JSON", in, out)
		}
		if json.Valid(in) {
			var want bytes.Buffer
			if err := json.Compact(&want, in); err != nil || want.String() != string(out) {
				t.Fatalf("JSON %q was changed to %q", in, out)
			}
		}
		again, err := standardJSON(out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q is not stable: %q, %v", out, again, err)
		}
	})
}
