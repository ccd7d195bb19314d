package dlq

import "testing"

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"库存", 6, "库存"}, {"库存", 5, "库"}, {"库存", 2, ""}, {"a\xffb", 10, "a\uFFFDb"}, {"", 0, ""}} {
		if got := Cut(tt.in, tt.most); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
}
