package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const goldenSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The test vector of the Standard Webhooks specification.
func TestSignGoldenVector(t *testing.T) {
	secrets, err := ParseSecrets(goldenSecret)
	if err != nil {
		t.Fatal(err)
	}
	got := Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), secrets)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}

func TestParseSecrets(t *testing.T) {
	key := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, n)) }
	for text, want := range map[string]int{
		goldenSecret:                          1,
		" " + key(24) + "\n" + key(64) + "\t": 2,
		key(23):                               0,
		key(65):                               0,
		"":                                    0,
		"  ":                                  0,
		strings.TrimPrefix(key(24), "whsec_"): 0,
		"whsec_***":                           0,
		key(24) + " nonsense":                 0,
	} {
		got, err := ParseSecrets(text)
		if len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("ParseSecrets(%q): %d secrets, %v", text, len(got), err)
		}
		if err != nil && len(strings.TrimSpace(text)) > 0 && strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
	s, _ := ParseSecrets(goldenSecret)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s[0], s[0], s[0], s[0]), s[0].LogValue().String()} {
		if strings.Contains(text, "MfKQ") || strings.Contains(text, "49") {
			t.Errorf("a secret prints as %q", text)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for text, ok := range map[string]bool{
		"http://shop:8080/settle?a=b": true, "https://10.0.0.1/": true, "https://[2001:db8::1]:9/x": true,
		"ftp://shop/": false, "shop:8080/settle": false, "http:///settle": false, "https://user:tok@shop/": false,
		"https://shop/#x": false, "http://[::1": false, "": false, "file:///etc/passwd": false, "http://%zz": false,
	} {
		err := CheckURL(text)
		if (err == nil) != ok {
			t.Errorf("CheckURL(%q): %v", text, err)
		}
		if err != nil && dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("CheckURL(%q): code %s", text, dlq.CodeOf(err))
		}
	}
}

func TestGuard(t *testing.T) {
	strict, open := &guard{local: net.InterfaceAddrs}, &guard{allowLoopback: true, local: net.InterfaceAddrs}
	for address, want := range map[string]struct{ strict, open bool }{
		"10.1.2.3:80": {true, true}, "192.168.0.1:80": {true, true}, "172.16.0.1:1": {true, true}, "8.8.8.8:443": {true, true},
		"[2001:db8::1]:80": {true, true}, "[fd12::1]:80": {true, true},
		"127.0.0.1:80": {false, true}, "127.8.8.8:80": {false, true}, "[::1]:80": {false, true}, "[::ffff:127.0.0.1]:80": {false, true},
		"[64:ff9b::7f00:1]:80": {false, true}, "[2002:7f00:1::]:80": {false, true},
		"169.254.169.254:80": {}, "[::ffff:169.254.169.254]:80": {}, "[64:ff9b::a9fe:a9fe]:80": {}, "[2002:a9fe:a9fe::1]:80": {},
		"[2001:0:0:0:0:0:5601:5601]:80": {}, "[::169.254.169.254]:80": {}, "[64:ff9b:1::6464:64c8]:80": {},
		"100.100.100.200:80": {}, "168.63.129.16:80": {}, "0.0.0.0:80": {}, "0.1.2.3:80": {}, "[::]:80": {},
		"224.0.0.1:80": {}, "[ff02::1]:80": {}, "[fe80::1%lo]:80": {}, "[fd00:ec2::254]:80": {}, "[fd20:ce::254]:80": {}, "255.255.255.255:1": {},
	} {
		to := netip.MustParseAddrPort(address)
		if got := strict.check(to) == nil; got != want.strict {
			t.Errorf("strict guard lets %s pass: %v", address, got)
		}
		if got := open.check(to) == nil; got != want.open {
			t.Errorf("guard with loopback lets %s pass: %v", address, got)
		}
	}
	if err := open.control(context.Background(), "tcp", "no address", nil); err == nil {
		t.Error("an unreadable address passes")
	}
}

// Clouds keep services in the shared address space, and an IPv6 address may hold an IPv4 address in many ways.
func TestGuardClosesWhatCloudsKeepForThemselves(t *testing.T) {
	allowed, err := ParseEgress(" 100.64.0.0/10, 192.0.0.8/29,")
	if err != nil {
		t.Fatal(err)
	}
	strict, opened := &guard{allowLoopback: true, local: net.InterfaceAddrs}, &guard{allowLoopback: true, allowed: allowed, local: net.InterfaceAddrs}
	forms := func(a netip.Addr) []netip.Addr {
		b := a.As4()
		texts := []string{"%s", "::ffff:%s", "::%s", "64:ff9b::%s", "64:ff9b:1:2:3:4:%s", "::ffff:0:%s", "2001:db8::5efe:%s", "fd00::200:5efe:%s"}
		out := []netip.Addr{netip.AddrFrom16([16]byte{0x20, 2, b[0], b[1], b[2], b[3], 15: 1}),
			netip.AddrFrom16([16]byte{0x20, 1, 12: ^b[0], 13: ^b[1], 14: ^b[2], 15: ^b[3]}),
			netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 0, 1, b[0], b[1], 0, b[2], b[3], 0, 9, 9, 9, 9}),
			netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 0, 1, 7, b[0], 0, b[1], b[2], b[3], 9, 9, 9, 9}),
			netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 0, 1, 7, 7, 0, b[0], b[1], b[2], b[3], 9, 9, 9})}
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(fmt.Sprintf(text, a)))
		}
		return out
	}
	for text, open := range map[string]bool{"100.64.0.1": true, "100.127.255.254": true, "192.0.0.9": true, "192.0.0.1": false,
		"192.0.0.192": false, "100.100.100.200": false, "100.96.0.96": false, "100.80.80.80": false} {
		for _, a := range forms(netip.MustParseAddr(text)) {
			to := netip.AddrPortFrom(a, 80)
			if strict.check(to) == nil {
				t.Errorf("the guard lets %s pass, which is %s", a, text)
			}
			local := netip.MustParsePrefix("64:ff9b:1::/48").Contains(a)
			if got := opened.check(to) == nil; got != (open && !local) {
				t.Errorf("with ranges opened the guard lets %s pass, which is %s: %v", a, text, got)
			}
		}
	}
	for _, text := range []string{"100.63.255.255", "100.128.0.1", "192.0.1.1", "10.0.0.1"} {
		if err := strict.check(netip.AddrPortFrom(netip.MustParseAddr(text), 80)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"10.0.0.0/8", "127.0.0.0/8", "169.254.169.254/32", "100.64.0.1", "all"} {
		if got, err := ParseEgress(text); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%s opens %v: %v", text, got, err)
		}
	}
}

func TestGuardKnowsItsOwnListener(t *testing.T) {
	local := func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(10, 0, 0, 5), Mask: net.CIDRMask(24, 32)}}, nil
	}
	one := &guard{allowLoopback: true, local: local, own: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8642")}}
	every := &guard{allowLoopback: true, local: local, own: []netip.AddrPort{netip.MustParseAddrPort("[::]:8642")}}
	for address, want := range map[string]struct{ one, every bool }{
		"127.0.0.1:8642": {false, false}, "127.0.0.1:8643": {true, true}, "10.0.0.5:8642": {true, false}, "10.0.0.6:8642": {true, true},
		"127.0.0.2:8642": {true, false}, "[::ffff:127.0.0.1]:8642": {false, false},
	} {
		to := netip.MustParseAddrPort(address)
		if got := one.check(to) == nil; got != want.one {
			t.Errorf("own 127.0.0.1:8642 lets %s pass: %v", address, got)
		}
		if got := every.check(to) == nil; got != want.every {
			t.Errorf("own [::]:8642 lets %s pass: %v", address, got)
		}
	}
}

// call makes one call to a handler over a real connection.
func call(t *testing.T, o Options, h http.HandlerFunc, change func(*Request)) (Response, error) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.AllowLoopback = true
	client := New(o)
	t.Cleanup(client.Close)
	secrets, err := ParseSecrets(goldenSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Receiver: "settle", URL: server.URL + "/hook/tok3n?key=s3cret", ID: "call_1", Secrets: secrets, Body: []byte(`{"a":1}`), Timeout: 5 * time.Second}
	if change != nil {
		change(&r)
	}
	return client.Call(context.Background(), r)
}

func TestCallSignsWhatItSends(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	other := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))
	both, err := ParseSecrets(goldenSecret + " " + other)
	if err != nil {
		t.Fatal(err)
	}
	res, err := call(t, Options{Now: func() time.Time { return at }, UserAgent: "dead-letter-office/9"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		want := map[string]string{
			"webhook-id": "call_1", "webhook-timestamp": "1795248000", "webhook-signature": Sign("call_1", at, body, both),
			"Idempotency-Key": "call_1", "Content-Type": "application/json", "User-Agent": "dead-letter-office/9", "Accept-Encoding": "",
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("header %s is %q, want %q", name, got, value)
			}
		}
		if r.Method != http.MethodPost || string(body) != `{"a":1}` {
			t.Errorf("%s with %q", r.Method, body)
		}
		w.Header().Set("Set-Cookie", "session=1")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "fine")
	}, func(r *Request) { r.Secrets = both })
	if err != nil {
		t.Fatal(err)
	}
	if res.Status != 201 || string(res.Body) != "fine" || res.Truncated || res.Address != "127.0.0.1" || res.RetryAfter != 0 {
		t.Errorf("answer: %+v", res)
	}
}

func TestCallKeepsNoCookie(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		if len(r.Cookies()) > 0 {
			t.Errorf("call %d brings a cookie back", calls)
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
	}))
	defer server.Close()
	client := New(Options{AllowLoopback: true})
	defer client.Close()
	for range 2 {
		if _, err := client.Call(t.Context(), Request{URL: server.URL}); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func TestCallFollowsNoRedirect(t *testing.T) {
	reached := false
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer target.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		res, err := call(t, Options{}, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, status) }, nil)
		if err != nil || res.Status != status {
			t.Errorf("redirect %d: answer %d, %v", status, res.Status, err)
		}
	}
	if reached {
		t.Error("a redirect was followed")
	}
}

func TestCallReadsLittleOfAHugeAnswer(t *testing.T) {
	wrote := make(chan int64, 1)
	res, err := call(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		var n int64
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 1024 {
			k, err := w.Write(chunk)
			if n += int64(k); err != nil {
				break
			}
		}
		wrote <- n
	}, nil)
	if err != nil || len(res.Body) != MaxAnswer || !res.Truncated {
		t.Errorf("%d bytes, truncated %v, %v", len(res.Body), res.Truncated, err)
	}
	if n := <-wrote; n >= 1<<30 {
		t.Errorf("the whole answer of %d bytes was taken", n)
	}
}

func TestCallUnpacksNothing(t *testing.T) {
	res, err := call(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write([]byte("\x1f\x8b not really"))
	}, nil)
	if err != nil || !bytes.HasPrefix(res.Body, []byte("\x1f\x8b")) {
		t.Errorf("%q, %v", res.Body, err)
	}
}

func TestCallEndsInTime(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"silent": func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() },
		"dripping": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		},
	} {
		started := time.Now()
		res, err := call(t, Options{}, h, func(r *Request) { r.Timeout = 100 * time.Millisecond })
		if dlq.CodeOf(err) != dlq.CodeUnavailable || !strings.Contains(err.Error(), "did not answer within 100ms") {
			t.Errorf("%s: %v", name, err)
		}
		if res.Status != 0 || res.Body != nil {
			t.Errorf("%s: half an answer counts: %+v", name, res)
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

func TestCallTellsWhatWentWrongWithoutSecrets(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	hangUp := func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	}
	cutOff := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"verdict":"done"`)
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		url  string
		code dlq.Code
		want string
	}{
		{"refused", nil, gone.URL + "/hook/tok3n", dlq.CodeUnavailable, "nothing listens"},
		{"hang up", hangUp, "", dlq.CodeUnavailable, "no whole answer"},
		{"cut off", cutOff, "", dlq.CodeUnavailable, "no whole answer"},
		{"no such name", nil, "http://no-such-host.invalid/hook/tok3n", dlq.CodeUnavailable, "cannot be resolved"},
		{"metadata", nil, "http://169.254.169.254/hook/tok3n", dlq.CodeRefused, "never called"},
		{"metadata by another spelling", nil, "http://[::ffff:100.100.100.200]/hook/tok3n", dlq.CodeRefused, "never called"},
		{"no URL", nil, "gopher://tok3n/", dlq.CodeInvalid, "http"},
	} {
		res, err := call(t, Options{}, tt.h, func(r *Request) {
			if tt.url != "" {
				r.URL = tt.url
			}
		})
		if dlq.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: code %q, error %v", tt.name, dlq.CodeOf(err), err)
			continue
		}
		if s := err.Error(); strings.Contains(s, "tok3n") || strings.Contains(s, "s3cret") {
			t.Errorf("%s: the error tells the URL's secret part: %s", tt.name, s)
		}
		if res.Status != 0 {
			t.Errorf("%s: status %d", tt.name, res.Status)
		}
	}
}

func TestCallChecksCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	client := New(Options{AllowLoopback: true})
	defer client.Close()
	if _, err := client.Call(t.Context(), Request{URL: server.URL}); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("an unknown certificate: %v", err)
	}
	pool := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	trusting := New(Options{AllowLoopback: true, RootCAs: pool})
	defer trusting.Close()
	if res, err := trusting.Call(t.Context(), Request{URL: server.URL}); err != nil || res.Status != 200 {
		t.Errorf("a known certificate: %d, %v", res.Status, err)
	}
}

func TestLoopbackIsRefusedByDefault(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	client := New(Options{})
	defer client.Close()
	for _, url := range []string{server.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port} {
		if _, err := client.Call(t.Context(), Request{URL: url}); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("%s: %v", url, err)
		}
	}
	if reached {
		t.Error("loopback was called")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "1.5": 0,
		"0": time.Second, "30": 30 * time.Second, "99999999999": 24 * time.Hour, "86401": 24 * time.Hour,
		now.Add(90 * time.Second).Format(http.TimeFormat):  90 * time.Second,
		now.Add(-90 * time.Second).Format(http.TimeFormat): time.Second,
		now.Add(9000 * time.Hour).Format(http.TimeFormat):  24 * time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	if _, err := call(t, Options{Registerer: reg}, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, nil); err != nil {
		t.Fatal(err)
	}
	want := "# HELP dlq_webhook_requests_total Outgoing webhook requests by receiver and outcome.\n" +
		"# TYPE dlq_webhook_requests_total counter\n" +
		"dlq_webhook_requests_total{outcome=\"server_error\",receiver=\"settle\"} 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "dlq_webhook_requests_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
