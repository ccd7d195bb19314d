package yamlnode

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// value reads one value from YAML.
func value(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte("v: "+text+"\n"), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Content[0].Content[1]
}

func TestValues(t *testing.T) {
	type get func(r *Reader, n *yaml.Node) (any, bool)
	text := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Text(n, "it")) })
	name := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Name(n, "it")) })
	truth := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Bool(n, "it")) })
	whole := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Int(n, "it", 0, 100)) })
	number := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Number(n, "it", 1, 10)) })
	duration := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Duration(n, "it", 0, time.Hour)) })
	size := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Size(n, "it")) })
	rate := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Rate(n, "it")) })
	list := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.TextList(n, "it")) })
	one := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.OneOf(n, "it", []string{"high", "low"})) })
	secret := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.Secret(n, "it")) })
	address := get(func(r *Reader, n *yaml.Node) (any, bool) { return pack(r.URL(n, "it")) })
	for _, tt := range []struct {
		get  get
		text string
		want string // the value, or codes of findings
	}{
		{text, "abc", "abc"}, {text, "12", "12"}, {text, "true", "true"}, {text, `""`, CodeMissingValue}, {text, "", CodeMissingValue}, {text, "[a]", CodeWrongType}, {text, strings.Repeat("x", 5000), CodeBadText},
		{name, "ops", "ops"}, {name, `"a\nb"`, CodeBadText}, {name, `" a"`, CodeBadText}, {name, strings.Repeat("长", 101), CodeBadText}, {name, strings.Repeat("长", 100), strings.Repeat("长", 100)},
		{truth, "true", "true"}, {truth, "False", "false"}, {truth, "yes", CodeWrongType}, {truth, "1", CodeWrongType}, {truth, "", CodeMissingValue},
		{whole, "7", "7"}, {whole, "7.5", CodeBadNumber}, {whole, "101", CodeOutOfRange}, {whole, "-1", CodeOutOfRange}, {whole, "{}", CodeWrongType}, {whole, "99999999999999999999", CodeBadNumber},
		{number, "1.5", "1.5"}, {number, "0.5", CodeOutOfRange}, {number, "nan", CodeBadNumber}, {number, ".inf", CodeBadNumber}, {number, "x", CodeBadNumber},
		{duration, "90s", "1m30s"}, {duration, "90", CodeBadDuration}, {duration, "2h", CodeOutOfRange}, {duration, "-1s", CodeOutOfRange}, {duration, "[1s]", CodeWrongType},
		{size, "64KB", "65536"}, {size, "1.5 mb", "1572864"}, {size, "12", "12"}, {size, "2GiB", "2147483648"}, {size, "64XB", CodeBadSize}, {size, "-1", CodeBadSize}, {size, "1e3", CodeBadSize}, {size, "9999999999GB", CodeBadSize}, {size, "KB", CodeBadSize},
		{rate, "10/s", "10"}, {rate, "30/m", "0.5"}, {rate, "36/h", "0.01"}, {rate, "10", CodeBadRate}, {rate, "0/s", CodeBadRate}, {rate, "10/d", CodeBadRate}, {rate, "NaN/s", CodeBadRate},
		{list, "[a, b]", "[a b]"}, {list, "a", "[a]"}, {list, "[a, [b]]", CodeWrongType}, {list, "", CodeMissingValue},
		{one, "high", "high"}, {one, "hihg", CodeUnknownValue}, {one, "7", CodeUnknownValue},
		{secret, "env:NAME", "{env NAME}"}, {secret, "file:/run/x", "{file /run/x}"}, {secret, "hunter2", CodeLiteralSecret}, {secret, `"env:"`, CodeBadText}, {secret, "env:A B", CodeBadText},
		{address, "https://a:1/", "{ https://a:1/}"}, {address, "https://a/b", CodeLiteralSecret}, {address, "https://a?b", CodeLiteralSecret}, {address, "https://a/••••••", "{hidden }"}, {address, "env:URL", "{env URL}"}, {address, "ftp://a", CodeBadURL}, {address, "a/b", CodeBadURL}, {address, "https://u:hunter2@a", CodeLiteralSecret},
	} {
		var r Reader
		v, ok := tt.get(&r, value(t, tt.text))
		got := fmt.Sprint(v)
		if len(r.Diagnostics()) > 0 {
			got = r.Diagnostics()[0].Code
		}
		if got != tt.want || ok != (r.Errors() == 0) {
			t.Errorf("%.40q gives %.40q, %v; want %.40q", tt.text, got, ok, tt.want)
		}
		for _, d := range r.Diagnostics() {
			if strings.Contains(fmt.Sprintf("%+v", d), "hunter2") {
				t.Errorf("a finding shows the secret: %+v", d)
			}
		}
		var absent Reader
		if _, ok := tt.get(&absent, nil); ok || len(absent.Diagnostics()) > 0 {
			t.Errorf("an absent value gives %v, %v", ok, absent.Diagnostics())
		}
	}
}

func pack[T any](v T, ok bool) (any, bool) { return v, ok }

func TestMaps(t *testing.T) {
	var r Reader
	r.SetRule("r")
	m, ok := r.Map(value(t, "{delay: 5m, dealy: 6m, 7: x}"), "retry", []string{"delay", "max"})
	if !ok || len(m.Entries) != 1 || m.Get("delay").Value != "5m" || m.Get("max") != nil || m.Key("max") != m.Node {
		t.Errorf("%+v", m)
	}
	if r.Require(m, "retry", "max") != nil {
		t.Error("an absent key is there")
	}
	found := r.Diagnostics()
	if got := codes(found); got != "unknown-key@1:16 unknown-key@1:27 missing-key@1:4" || found[0].Suggestion != "delay" || found[0].Rule != "r" {
		t.Errorf("%s %+v", got, found)
	}
	if _, ok := r.Map(value(t, "[a]"), "retry", nil); ok {
		t.Error("a list is a mapping")
	}
}
