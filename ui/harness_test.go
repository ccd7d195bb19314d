package ui

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// apiTest is a server over a stub. Every answer of the API is held against docs/openapi.yaml.
type apiTest struct {
	*testing.T
	*Server
	stub *stub
	log  *lockedBuffer
	deps Deps
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Stubs play all rooms at once.
var (
	_ Store   = (*stub)(nil)
	_ Desk    = (*stub)(nil)
	_ Replays = (*stub)(nil)
	_ Cluster = (*stub)(nil)
	_ Book    = (*stub)(nil)
	_ Live    = (*stub)(nil)

	_ Operations      = (*operationStub)(nil)
	_ OperationLedger = (*operationStub)(nil)

	_ AlertStore  = (*alertStub)(nil)
	_ AlertEngine = (*alertStub)(nil)
	_ Outbox      = (*alertStub)(nil)
)

func newAPI(t *testing.T, change func(*Deps)) *apiTest {
	t.Helper()
	world, log := newStub(), &lockedBuffer{}
	registry := prometheus.NewRegistry()
	document, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := Deps{Store: world, Desk: world, Replays: world, Cluster: world, Book: world, Live: world,
		Operations: world.operations, Ledger: world.operations, Alerts: world.alerts, Engine: world.alerts, Outbox: world.alerts, Listen: "127.0.0.1:8642",
		Version: "test", Registerer: registry, Gatherer: registry, Now: func() time.Time { return noon }, OpenAPI: document, RulesSchema: []byte("{}"),
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Dist: fstest.MapFS{"index.html": {Data: []byte("<!doctype html><title>page</title>")},
			"assets/app-1a2b.js": {Data: []byte(strings.Repeat("console.log(1);\n", 100))}, "icon.svg": {Data: []byte("<svg/>")}}}
	if change != nil {
		change(&d)
	}
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.hub.close)
	return &apiTest{T: t, Server: s, stub: world, log: log, deps: d}
}

// call sends one request; headers are "Name: value". A JSON body gets its content type.
func (a *apiTest) call(method, url, body string, headers ...string) *httptest.ResponseRecorder {
	a.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Host = "127.0.0.1:8642"
	r.RemoteAddr = "127.0.0.1:50000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	a.conforms(r, []byte(body), w)
	return w
}

// conforms holds an answer against the document, and the request too if it was accepted.
func (a *apiTest) conforms(r *http.Request, body []byte, w *httptest.ResponseRecorder) {
	a.Helper()
	router, err := document()
	if err != nil {
		a.Fatal(err)
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") && w.Header().Get("Content-Type") != "application/problem+json" {
		return
	}
	again := r.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := router.FindRoute(again)
	if err != nil {
		if w.Code < 400 {
			a.Errorf("%s %s: answered %d, but the document does not know it: %v", r.Method, r.URL, w.Code, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	// An empty parameter is none, which the document says in words only.
	if w.Code < 400 && !regexp.MustCompile(`=(&|$)`).MatchString(r.URL.RawQuery) {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			a.Errorf("%s %s was accepted, and the document forbids it: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
	out.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		a.Errorf("%s %s: the answer %d is not as described: %v", r.Method, r.URL, w.Code, err)
	}
}

var document = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("../docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})
