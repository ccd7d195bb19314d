package ui

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// tokensFor writes a token file with one token for each role and returns the tokens.
func tokensFor(t *testing.T) (path string, tokens map[Role]string) {
	t.Helper()
	tokens = map[Role]string{}
	text := "# people\n\n"
	for _, role := range Roles {
		token, line, err := NewToken(Token{Name: "some-" + string(role), Role: role})
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = token
		text += line + "\n"
	}
	path = filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, tokens
}

// Every route against every role, and against nobody.
func TestRoles(t *testing.T) {
	path, tokens := tokensFor(t)
	a := newAPI(t, func(d *Deps) { d.TokenFile = path })
	reaches := map[Role][]Role{ // a route's role -> who may
		RolePublic:   {"", RoleReporter, RoleViewer, RoleOperator, RoleAdmin},
		RoleReporter: {RoleReporter, RoleOperator, RoleAdmin},
		RoleViewer:   {RoleViewer, RoleOperator, RoleAdmin},
		RoleOperator: {RoleOperator, RoleAdmin},
		RoleAdmin:    {RoleAdmin},
	}
	for _, r := range a.routes() {
		if r.operation == "streamEvents" {
			continue // does not end by itself; see TestStream
		}
		url := strings.NewReplacer(":id", "41", ":topic", "%25DLQ%25pay-service").Replace(r.path)
		for _, role := range append([]Role{""}, Roles...) {
			var headers []string
			if role != "" {
				headers = append(headers, "Authorization: Bearer "+tokens[role])
			}
			may := false
			for _, m := range reaches[r.role] {
				may = may || m == role
			}
			body := ""
			if r.method == http.MethodPost || r.method == http.MethodPut {
				body = `{}`
			}
			w := a.call(r.method, url, body, headers...)
			switch {
			case may && (w.Code == 401 || w.Code == 403):
				t.Errorf("%s %s refuses %q: %d", r.method, url, role, w.Code)
			case !may && role == "" && w.Code != 401, !may && role != "" && w.Code != 403:
				t.Errorf("%s %s answers %q with %d", r.method, url, role, w.Code)
			case w.Code == 401 && w.Header().Get("WWW-Authenticate") == "":
				t.Errorf("%s %s: 401 without WWW-Authenticate", r.method, url)
			}
		}
	}
	if done := a.stub.done(); done != "repair %DLQ%pay-service" {
		t.Errorf("done was %q; of all these calls only the admin's repair is whole", done)
	}
}

func TestHostAndOrigin(t *testing.T) {
	token := func(d *Deps) { d.TokenFile, _ = tokensFor(t) }
	public := func(d *Deps) { token(d); d.PublicURL = "https://dlq.example.com" }
	open := func(d *Deps) { token(d); d.Listen = "0.0.0.0:8642" }
	named := func(d *Deps) { token(d); d.Listen = "dlq.internal:8642" }
	const get, post = "GET", "POST"
	for _, tt := range []struct {
		name    string
		deps    func(*Deps)
		method  string
		headers []string
		refused bool
	}{
		{"loopback", nil, get, []string{"Host: 127.0.0.1:8642"}, false},
		{"loopback, another address of it", nil, get, []string{"Host: 127.9.9.9"}, false},
		{"loopback by name", nil, get, []string{"Host: localhost:1"}, false},
		{"loopback by a full name", nil, get, []string{"Host: LocalHost.:8642"}, false},
		{"IPv6 loopback", nil, get, []string{"Host: [::1]:8642"}, false},
		{"mapped loopback", nil, get, []string{"Host: [::ffff:127.0.0.1]:8642"}, false},
		{"rebinding", nil, get, []string{"Host: evil.example:8642"}, true},
		{"rebinding with our name in front", nil, get, []string{"Host: localhost.evil.example"}, true},
		{"rebinding with an address in front", nil, get, []string{"Host: 127.0.0.1.evil.example"}, true},
		{"no name", nil, get, []string{"Host: "}, true},
		{"forwarded names are not believed", nil, get, []string{"Host: evil.example", "X-Forwarded-Host: localhost", "X-Forwarded-For: 127.0.0.1"}, true},
		{"public name without being told", nil, get, []string{"Host: dlq.example.com"}, true},
		{"public name", public, get, []string{"Host: dlq.example.com"}, false},
		{"public name with a port", public, get, []string{"Host: dlq.example.com:443"}, false},
		{"below the public name", public, get, []string{"Host: x.dlq.example.com"}, true},
		{"the listen host", named, get, []string{"Host: dlq.internal:8642"}, false},
		{"the address that was reached", open, get, []string{"Host: 10.1.2.3:8642"}, false},
		{"another address", open, get, []string{"Host: 10.1.2.4:8642"}, true},
		{"an address while only loopback is listened on", nil, get, []string{"Host: 10.1.2.3:8642"}, true},
		{"a scraper with a token by a name of its own", open, get, []string{"Host: dlq.monitoring.svc", "Authorization: Bearer wrong"}, false},
		{"a header Authorization where no tokens are in use", nil, get, []string{"Host: dlq.monitoring.svc", "Authorization: Bearer wrong"}, true},

		{"our page", nil, post, []string{"Origin: http://127.0.0.1:8642", "Sec-Fetch-Site: same-origin"}, false},
		{"our page in an old browser", nil, post, []string{"Origin: http://127.0.0.1:8642"}, false},
		{"a script", nil, post, nil, false},
		{"a foreign page", nil, post, []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, true},
		{"a foreign page in an old browser", nil, post, []string{"Origin: https://evil.example"}, true},
		{"a foreign page that hides its origin", nil, post, []string{"Origin: null"}, true},
		{"a page of the same site", nil, post, []string{"Sec-Fetch-Site: same-site"}, true},
		{"another port of this machine", nil, post, []string{"Origin: http://127.0.0.1:3000"}, true},
		{"a foreign page that reads", nil, get, []string{"Origin: https://evil.example"}, true},
		{"a hidden origin that reads", nil, get, []string{"Origin: null"}, true},
		{"the public page behind a proxy that changes Host", public, post, []string{"Origin: https://dlq.example.com", "Sec-Fetch-Site: same-origin"}, false},
		{"the public page behind such a proxy in an old browser", public, post, []string{"Origin: https://dlq.example.com"}, false},
		{"the public name without TLS", public, post, []string{"Origin: http://dlq.example.com", "Host: 127.0.0.1:8642"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, tt.deps)
			url, body := apiBase+"/session", ""
			if tt.method == post {
				url, body = apiBase+"/session", `{"token":"x"}`
			}
			r := httptest.NewRequest(tt.method, url, strings.NewReader(body))
			r.Host = "127.0.0.1:8642"
			r.Header.Set("Content-Type", "application/json")
			for _, h := range tt.headers {
				name, value, _ := strings.Cut(h, ": ")
				if r.Header.Set(name, value); name == "Host" {
					r.Host = value
				}
			}
			local := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 8642}
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
			w := httptest.NewRecorder()
			a.Handler().ServeHTTP(w, r)
			if (w.Code == 403) != tt.refused {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
}

func TestThePageIsGuardedToo(t *testing.T) {
	a := newAPI(t, nil)
	for _, url := range []string{"/", "/metrics", "/assets/app-1a2b.js"} {
		if w := a.call("GET", url, "", "Host: evil.example"); w.Code != 403 {
			t.Errorf("%s: %d", url, w.Code)
		}
	}
	// A link from a chat is a navigation from another site, and must open the page.
	if w := a.call("GET", "/letters/41", "", "Sec-Fetch-Site: cross-site", "Accept: text/html"); w.Code != 200 {
		t.Errorf("a link from elsewhere: %d", w.Code)
	}
}

func TestCheckListen(t *testing.T) {
	for addr, loopback := range map[string]bool{"127.0.0.1:8642": true, "localhost:0": true, "[::1]:1": true, "127.1.2.3:1": true,
		":8642": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "example.com:1": false} {
		if err := CheckListen(addr, false); (err == nil) != loopback {
			t.Errorf("%s without tokens: %v", addr, err)
		}
		if err := CheckListen(addr, true); err != nil {
			t.Errorf("%s with tokens: %v", addr, err)
		}
	}
	for _, addr := range []string{"", "8642", "127.0.0.1"} {
		if err := CheckListen(addr, true); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%q: %v", addr, err)
		}
	}
	if _, err := New(Deps{Listen: "0.0.0.0:8642"}); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("New listens anywhere without tokens: %v", err)
	}
	if _, err := New(Deps{PublicURL: "https://dlq.example.com"}); dlq.CodeOf(err) != dlq.CodeInvalid || !strings.Contains(err.Error(), "would be an admin") {
		t.Errorf("New lets everybody in who comes by a proxy: %v", err)
	}
	for _, own := range []string{"http://localhost:8080", "http://127.0.0.1", "https://dlq.localhost"} {
		if _, err := New(Deps{PublicURL: own}); err != nil {
			t.Errorf("%s: %v", own, err)
		}
	}
	if _, err := New(Deps{PublicURL: "dlq.example.com"}); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("New takes a public URL without a scheme: %v", err)
	}
}

func TestLogInByCookie(t *testing.T) {
	path, tokens := tokensFor(t)
	now := noon
	a := newAPI(t, func(d *Deps) {
		d.TokenFile, d.Now = path, func() time.Time { return now }
		d.PublicURL = "https://dlq.example.com"
	})
	if w := a.call("GET", apiBase+"/session", ""); w.Body.String() != `{"actor":"","role":"","login":"required"}` {
		t.Errorf("nobody: %s", w.Body)
	}
	w := a.call("POST", apiBase+"/session", `{"token":" `+tokens[RoleOperator]+`\n"}`)
	if w.Code != 200 || w.Body.String() != `{"actor":"some-operator","role":"operator","login":"done"}` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	cookie := w.Result().Cookies()[0]
	if cookie.Name != "__Host-dlq_session" || !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode ||
		cookie.Path != "/" || !cookie.Expires.Equal(noon.Add(12*time.Hour)) {
		t.Errorf("%+v", cookie)
	}
	if strings.Contains(cookie.Value, tokens[RoleOperator]) || strings.Contains(a.log.String(), tokens[RoleOperator]) {
		t.Error("the token leaks")
	}
	with := "Cookie: " + cookie.Name + "=" + cookie.Value
	act := func() int {
		return a.call("POST", apiBase+"/letters/41/notes", fmt.Sprintf(`{"version":%d,"note":"x"}`, must(a.stub.Letter(t.Context(), 41)).Version), with).Code
	}
	if code := act(); code != 200 || a.stub.done() != "note some-operator x " {
		t.Errorf("%d %q", code, a.stub.done())
	}
	now = noon.Add(12*time.Hour - time.Second)
	if code := act(); code != 200 {
		t.Errorf("before the end: %d", code)
	}
	now = noon.Add(12 * time.Hour)
	if code := act(); code != 401 {
		t.Errorf("after the end: %d", code)
	}

	now = noon
	w = a.call("POST", apiBase+"/session", `{"token":"`+tokens[RoleViewer]+`"}`)
	with = "Cookie: " + cookie.Name + "=" + w.Result().Cookies()[0].Value
	if w := a.call("DELETE", apiBase+"/session", "", with); w.Code != 200 || w.Result().Cookies()[0].Value != "" {
		t.Errorf("log-out: %d", w.Code)
	}
	if w := a.call("GET", apiBase+"/summary", "", with); w.Code != 401 {
		t.Errorf("after the log-out: %d", w.Code)
	}
	if w := a.call("GET", apiBase+"/summary", "", "Cookie: "+cookie.Name+"=guess"); w.Code != 401 {
		t.Errorf("a made-up cookie: %d", w.Code)
	}
	if w := a.call("GET", apiBase+"/session", "", "Authorization: Basic YTpi"); w.Code != 200 || !strings.Contains(w.Body.String(), "required") {
		t.Errorf("with basic: %d %s", w.Code, w.Body)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestNoLogInWithoutTokens(t *testing.T) {
	a := newAPI(t, nil)
	for _, w := range []*httptest.ResponseRecorder{a.call("GET", apiBase+"/session", ""), a.call("DELETE", apiBase+"/session", "")} {
		if w.Body.String() != `{"actor":"local","role":"admin","login":"none"}` {
			t.Errorf("%s", w.Body)
		}
	}
	if w := a.call("POST", apiBase+"/session", `{"token":"x"}`); w.Code != 422 {
		t.Errorf("log-in: %d", w.Code)
	}
	if w := a.call("GET", apiBase+"/summary", "", "Authorization: Bearer anything"); w.Code != 200 {
		t.Errorf("a token that nobody asked for: %d", w.Code)
	}
}

// A reporter speaks for the consumer groups of its token, and is told about no others.
func TestReportersAreBound(t *testing.T) {
	token, line, err := NewToken(Token{Name: "pay", Role: RoleReporter, ConsumerGroups: []string{"pay-service", "refunds"}})
	if err != nil {
		t.Fatal(err)
	}
	path, tokens := tokensFor(t)
	if err := os.WriteFile(path, append(must(os.ReadFile(path)), line+"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, func(d *Deps) { d.TokenFile = path })
	report := func(token, group string) *httptest.ResponseRecorder {
		return a.call("POST", apiBase+"/reports", `{"consumer_group":"`+group+`","message_id":"M1","reason":"r"}`, "Authorization: Bearer "+token)
	}
	const told, nothing = `{"results":[{"matched":["41"]}]}`, `{"results":[{"matched":[]}]}`
	for _, tt := range []struct {
		name, token, group string
		status             int
		answer             string
		bound              bool
	}{
		{"its group", token, "pay-service", 200, told, true},
		{"another group", token, "stock-service", 403, "", false},
		{"a group that is not there", token, "nobody", 403, "", false},
		{"a reporter for all", tokens[RoleReporter], "pay-service", 200, nothing, false},
		{"an operator", tokens[RoleOperator], "pay-service", 200, told, true},
	} {
		a.stub.reports = nil
		w := report(tt.token, tt.group)
		if w.Code != tt.status || tt.answer != "" && w.Body.String() != tt.answer {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
		if tt.status == 403 && len(a.stub.reports) > 0 || tt.status == 200 && (len(a.stub.reports) != 1 || a.stub.reports[0].Bound != tt.bound) {
			t.Errorf("%s: kept %+v", tt.name, a.stub.reports)
		}
	}
}

// An admin sees who is in and by what token, and throws them out; nothing that is seen lets anybody in.
func TestAdminsSeeLogIns(t *testing.T) {
	path, tokens := tokensFor(t)
	now := noon
	a := newAPI(t, func(d *Deps) { d.TokenFile, d.Now = path, func() time.Time { return now } })
	cookie := func(role Role) string {
		return "Cookie: dlq_session=" + a.call("POST", apiBase+"/session", `{"token":"`+tokens[role]+`"}`).Result().Cookies()[0].Value
	}
	viewer, admin := cookie(RoleViewer), cookie(RoleAdmin)
	now = noon.Add(time.Minute)
	w := a.call("GET", apiBase+"/sessions", "", admin)
	all := decode[items[OpenSession]](t, w.Body.Bytes()).Items
	if len(all) != 2 || all[0].Actor != "some-admin" || !all[0].Own || all[1].Actor != "some-viewer" || all[1].Own || all[1].Address != "127.0.0.1" ||
		!all[1].Since.Equal(noon) || !all[1].EndsAt.Equal(noon.Add(12*time.Hour)) || !all[0].UsedAt.Equal(now) {
		t.Fatalf("%s", w.Body)
	}
	stream, _, err := a.hub.follow("some-viewer")
	if err != nil {
		t.Fatal(err)
	}
	known := a.call("GET", apiBase+"/tokens", "", admin)
	list := decode[items[KnownToken]](t, known.Body.Bytes()).Items
	if len(list) != 4 || list[1].Actor != "some-viewer" || list[1].UsedAt == nil || !list[1].UsedAt.Equal(noon) || list[1].Address != "127.0.0.1" || list[2].UsedAt != nil {
		t.Errorf("%s", known.Body)
	}
	file := string(must(os.ReadFile(path)))
	for _, line := range strings.Fields(file) {
		if len(line) == 64 && strings.Contains(known.Body.String(), line) {
			t.Error("a hash is shown")
		}
	}
	for _, secret := range []string{viewer, admin} {
		if strings.Contains(w.Body.String(), secret[len("Cookie: dlq_session="):]) {
			t.Error("a cookie is shown")
		}
	}
	if w := a.call("GET", apiBase+"/summary", "", "Cookie: dlq_session="+all[1].ID); w.Code != 401 {
		t.Errorf("somebody gets in by the id of a log-in: %d", w.Code)
	}
	if w := a.call("POST", apiBase+"/sessions/"+all[1].ID+"/end", "", admin); w.Code != 200 || strings.Contains(w.Body.String(), "some-viewer") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := a.call("GET", apiBase+"/summary", "", viewer); w.Code != 401 {
		t.Errorf("the log-in goes on: %d", w.Code)
	}
	if _, open := <-stream.frames; open {
		t.Error("its stream goes on")
	}
	if w := a.call("POST", apiBase+"/sessions/"+all[1].ID+"/end", "", admin); w.Code != 404 {
		t.Errorf("again: %d", w.Code)
	}
}
