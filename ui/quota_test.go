package ui

import (
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// Wrong tokens from one address, which may be a proxy's, make wrong tokens wait and no right one.
func TestGuessingIsSlow(t *testing.T) {
	path, tokens := tokensFor(t)
	own := sha256.Sum256([]byte("changeit"))
	text := string(must(os.ReadFile(path))) + fmt.Sprintf("weak viewer %x\n", own)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	now := noon
	a := newAPI(t, func(d *Deps) { d.TokenFile, d.Now = path, func() time.Time { return now } })
	bearer := func(token string, headers ...string) *httptest.ResponseRecorder {
		return a.call("GET", apiBase+"/summary", "", append(headers, "Authorization: Bearer "+token)...)
	}
	for i := range 10 {
		if w := bearer("guess"); w.Code != 401 {
			t.Fatalf("guess %d: %d", i, w.Code)
		}
	}
	if w := bearer("guess"); w.Code != 429 || w.Header().Get("Retry-After") != "60" {
		t.Errorf("after ten guesses: %d %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := bearer(TokenPrefix + strings.Repeat("x", tokenDigits)); w.Code != 429 {
		t.Errorf("a guess in our form: %d", w.Code)
	}
	if w := bearer("changeit"); w.Code != 429 {
		t.Errorf("a weak token is found while somebody guesses: %d", w.Code)
	}
	for i := range 20 {
		if w := bearer(tokens[RoleViewer]); w.Code != 200 {
			t.Fatalf("a right token is refused because of others' wrong ones: %d", w.Code)
		}
		if w := a.call("POST", apiBase+"/session", `{"token":"`+tokens[RoleAdmin]+`"}`); w.Code != 200 {
			t.Fatalf("log-in %d is refused because of others' wrong tokens: %d", i, w.Code)
		}
	}
	if w := bearer("guess", "X-Forwarded-For: 10.9.9.9", "X-Real-Ip: 10.9.9.9"); w.Code != 429 {
		t.Errorf("a forwarded address is believed: %d", w.Code)
	}
	now = noon.Add(time.Minute)
	if w := bearer("changeit"); w.Code != 200 {
		t.Errorf("a minute later: %d", w.Code)
	}
}

func TestBehindATrustedProxy(t *testing.T) {
	path, _ := tokensFor(t)
	a := newAPI(t, func(d *Deps) {
		d.TokenFile, d.TrustedProxies = path, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	guess := func(from string) int {
		return a.call("GET", apiBase+"/summary", "", "Authorization: Bearer guess", "X-Forwarded-For: "+from).Code
	}
	for range 11 {
		guess("198.51.100.7, 203.0.113.9, 10.1.1.1") // what stands first could be written by the caller
	}
	if code := guess("203.0.113.9"); code != 429 {
		t.Errorf("the address before the proxies is not counted: %d", code)
	}
	for _, other := range []string{"203.0.113.8", "203.0.113.9, 198.51.100.7", "2001:db8::1", "nonsense"} {
		if code := guess(other); code != 401 {
			t.Errorf("%s: %d", other, code)
		}
	}
	for header, want := range map[string]string{"": "127.0.0.1", "203.0.113.9": "203.0.113.9", "10.2.2.2": "10.2.2.2", "[2001:db8::1]": "2001:db8::1",
		"198.51.100.7, 203.0.113.9": "203.0.113.9", "203.0.113.9, junk": "127.0.0.1", "203.0.113.9, 10.3.3.3": "203.0.113.9"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "127.0.0.1:5"
		if header != "" {
			r.Header.Set("X-Forwarded-For", header)
		}
		if got := a.entrance.proxies.client(r); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// One token cannot fill the database, nor keep others from reporting.
func TestReportsHaveAQuota(t *testing.T) {
	path, tokens := tokensFor(t)
	now := noon
	a := newAPI(t, func(d *Deps) { d.TokenFile, d.Now = path, func() time.Time { return now } })
	one := `{"consumer_group":"g","message_id":"M1","reason":"r"}`
	long := `{"consumer_group":"g","message_id":"M1","reason":"r","reason_text":"` + strings.Repeat("x", 1<<20-200) + `"}`
	report := func(role Role, body string) *httptest.ResponseRecorder {
		return a.call("POST", apiBase+"/reports", body, "Authorization: Bearer "+tokens[role])
	}
	sent := 0
	for ; sent < 12; sent++ {
		if w := report(RoleReporter, long); w.Code == 429 {
			if after := w.Header().Get("Retry-After"); after == "" || after == "0" {
				t.Errorf("Retry-After is %q", after)
			}
			break
		} else if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if sent != 4 {
		t.Errorf("%d MiB were taken at once", sent)
	}
	if w := report(RoleOperator, one); w.Code != 200 {
		t.Errorf("another token pays for it: %d", w.Code)
	}
	now = now.Add(time.Minute)
	taken := 0
	for range 10 {
		if report(RoleReporter, long).Code == 200 {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("a minute later %d MiB are taken", taken)
	}
	many := `{"reports":[` + strings.TrimSuffix(strings.Repeat(one+",", 500), ",") + `]}`
	taken = 0
	for range 40 {
		if report(RoleAdmin, many).Code == 200 {
			taken++
		}
	}
	if taken != 20 {
		t.Errorf("%d reports are taken at once", 500*taken)
	}
}

// A token that logs in again and again ends its own log-ins, and nobody else's.
func TestLogInsOfOneToken(t *testing.T) {
	path, tokens := tokensFor(t)
	now := noon
	a := newAPI(t, func(d *Deps) { d.TokenFile, d.Now = path, func() time.Time { return now } })
	logIn := func(role Role) string {
		now = now.Add(time.Millisecond)
		return a.call("POST", apiBase+"/session", `{"token":"`+tokens[role]+`"}`).Result().Cookies()[0].Value
	}
	in := func(cookie string) bool {
		return a.call("GET", apiBase+"/summary", "", "Cookie: dlq_session="+cookie).Code == 200
	}
	admin, first, second := logIn(RoleAdmin), logIn(RoleViewer), logIn(RoleViewer)
	now = now.Add(time.Second)
	if !in(first) { // it was used, so the second is the oldest now
		t.Fatal("not in")
	}
	for range sessionsPerToken - 1 {
		logIn(RoleViewer)
	}
	for range 3 * sessionsPerToken {
		logIn(RoleReporter)
	}
	if !in(admin) || !in(first) || in(second) {
		t.Errorf("admin %v, the first viewer %v, the one that was not used for longest %v", in(admin), in(first), in(second))
	}
	if n := len(a.entrance.sessions.open); n != 1+2*sessionsPerToken {
		t.Errorf("%d log-ins are kept", n)
	}
}

func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{"10.0.0.1": "10.0.0.1/32", "::ffff:10.0.0.1": "10.0.0.1/32",
		"2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64", "@": "invalid Prefix"} {
		if got := networkOf(address).String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
