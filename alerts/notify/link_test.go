package notify

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"deadletteroffice/dlq"
)

func TestLink(t *testing.T) {
	for _, tt := range []struct {
		signal    string
		labels    map[string]string
		threshold float64
		want      string
	}{
		{"open_letters", nil, 100, "/letters"},
		{"open_letters", map[string]string{"consumer_group": "pay", "topic": "orders", "reason": "a&b=c d", "cluster": "c1", "team": "x"}, 100, "/letters?consumer_group=pay&topic=orders&reason=a%26b%3Dc+d"},
		{"open_letters", map[string]string{"reason": "库存", "topic": ""}, 100, "/letters?reason=%E5%BA%93%E5%AD%98"},
		{"arrivals_per_minute", map[string]string{"consumer_group": "%pay"}, 5, "/letters?consumer_group=%25pay"},
		{"oldest_open_age", map[string]string{"consumer_group": "pay"}, 93_600, "/letters?consumer_group=pay&older=1d2h"},
		{"failed_again_ratio", map[string]string{"consumer_group": "pay"}, 0.2, "/letters?consumer_group=pay&flag=failed_again"},
		{"unclassified_ratio", map[string]string{"consumer_group": "pay"}, 0.2, "/letters?consumer_group=pay&reason=unknown"},
		{"expiry", map[string]string{"consumer_group": "pay"}, 3600, "/consumer-groups"},
		{"intake_stalled", nil, 0, "/consumer-groups"},
		{"broker_unreachable", nil, 0, "/system"},
		{"disk", nil, 0.9, "/system"},
		{"rules_refused", nil, 0, "/rules"},
	} {
		a := dlq.Alert{Signal: tt.signal, Labels: tt.labels, Threshold: tt.threshold}
		if got := Link(public+"/", &a); got != public+tt.want {
			t.Errorf("%s %v: %s, want %s", tt.signal, tt.labels, got, tt.want)
		}
		if got := Link("", &a); got != "" {
			t.Errorf("without a public URL: %s", got)
		}
	}
	chosen := dlq.Alert{Signal: "open_letters", Labels: map[string]string{"topic": "orders"}, Where: map[string][]string{"consumer_group": {"pay", "stock"}, "topic": {"orders", "mail"}, "cluster": {"c1"}}}
	if got := Link(public, &chosen); got != public+"/letters?consumer_group=pay&consumer_group=stock&topic=orders" {
		t.Errorf("a rule that chooses by where: %s", got)
	}
	long := dlq.Alert{Signal: "open_letters", Labels: map[string]string{"consumer_group": "pay", "reason": strings.Repeat("长", 500)}}
	if got := Link(public, &long); got != public+"/letters?consumer_group=pay" {
		t.Errorf("a long value: %s", got)
	}
}

// What links name, the page reads: its filter's own source is asked.
func TestLinkSpeaksThePagesLanguage(t *testing.T) {
	source, err := os.ReadFile("../../ui/web/src/letters/filter.ts")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?s)export const fields = \[(.*?)\]`).FindSubmatch(source)
	if list == nil {
		t.Fatal("the page's filter has no list of fields any more")
	}
	var known []string
	for _, m := range regexp.MustCompile(`'(\w+)'`).FindAllSubmatch(list[1], -1) {
		known = append(known, string(m[1]))
	}
	for _, m := range regexp.MustCompile(`(?:duration|instant)\('(\w+)'\)`).FindAllSubmatch(source, -1) {
		known = append(known, string(m[1]))
	}
	app, err := os.ReadFile("../../ui/web/src/app/App.tsx")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"consumer_group": "a", "topic": "b"}
	for _, signal := range []string{"open_letters", "oldest_open_age", "failed_again_ratio", "unclassified_ratio", "expiry", "disk", "rules_refused"} {
		u, err := url.Parse(Link(public, &dlq.Alert{Signal: signal, Labels: labels, Threshold: 3600}))
		if err != nil {
			t.Fatal(err)
		}
		for name := range u.Query() {
			if !slices.Contains(known, name) {
				t.Errorf("%s: the page's filter does not know %s; it knows %v", signal, name, known)
			}
		}
		if !strings.Contains(string(app), `path="`+u.Path) {
			t.Errorf("%s: the page has no view %s", signal, u.Path)
		}
	}
}
