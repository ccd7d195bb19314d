package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

// serve runs a server on a port of its own until the test stops it.
func serve(t *testing.T, a *apiTest) (url string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	var once error
	stopped := false
	stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			once = <-done
		}
		return once
	}
	t.Cleanup(func() { _ = stop() })
	return "http://" + l.Addr().String(), stop
}

// follower over a real connection.
type reader struct {
	*testing.T
	*http.Response
	lines *bufio.Reader
}

func open(t *testing.T, url string, headers ...string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url+apiBase+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &reader{t, resp, bufio.NewReader(resp.Body)}
}

func (r *reader) next() (event, data string) {
	r.Helper()
	var f strings.Builder
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return "end", err.Error()
		}
		if line == "\n" && strings.HasPrefix(f.String(), ":") {
			f.Reset()
			continue
		}
		if f.WriteString(line); line == "\n" {
			return parse(r.T, f.String())
		}
	}
}

func TestStream(t *testing.T) {
	a := newAPI(t, nil)
	url, stop := serve(t, a)
	one := open(t, url)
	if one.StatusCode != 200 || one.Header.Get("Content-Type") != "text/event-stream" || one.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", one.StatusCode, one.Header)
	}
	if event, data := one.next(); event != "hello" || data != `{"last_event":"17"}` {
		t.Errorf("%s %s", event, data)
	}
	a.Publish([]dlq.Event{{ID: 18, LetterID: 50, Kind: dlq.EventArrived}, {ID: 19, LetterID: 41, Kind: dlq.EventConfirmed}})
	if event, data := one.next(); event != "changes" || data != `{"last_event":"19","arrived":1,"changed":["41"],"more":false}` {
		t.Errorf("%s %s", event, data)
	}

	// Who comes back up to date goes on; who missed something is told.
	same := open(t, url, "Last-Event-ID: 19")
	if event, data := same.next(); event != "hello" || data != `{"last_event":"19"}` {
		t.Errorf("%s %s", event, data)
	}
	late := open(t, url, "Last-Event-ID: 18")
	late.next()
	if event, data := late.next(); event != "resync" || data != `{}` {
		t.Errorf("%s %s", event, data)
	}

	// A status that changes is told; the loop looks every two seconds.
	a.stub.mu.Lock()
	a.stub.switched = dlq.Automation{Stopped: true, Version: 9}
	a.stub.mu.Unlock()
	if event, data := one.next(); event != "status" || !strings.Contains(data, `"stopped":true`) || strings.Contains(data, "null") {
		t.Errorf("%s %s", event, data)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if event, data := one.next(); event != "end" || data != io.EOF.Error() {
		t.Errorf("the stream does not end with the server: %s %s", event, data)
	}
}

// The time in which a request must have come does not end a stream.
func TestStreamOutlivesTheReadTimeout(t *testing.T) {
	a := newAPI(t, nil)
	a.readTimeout = 50 * time.Millisecond
	url, _ := serve(t, a)
	one := open(t, url)
	one.next()
	time.Sleep(4 * a.readTimeout) // at the border of the process: the deadline is a real one
	a.Publish(changed(41))
	if event, data := one.next(); event != "changes" {
		t.Errorf("%s %s", event, data)
	}
}

func TestStreamNeedsARole(t *testing.T) {
	path, tokens := tokensFor(t)
	a := newAPI(t, func(d *Deps) { d.TokenFile = path })
	url, _ := serve(t, a)
	for role, status := range map[Role]int{RoleReporter: 403, RoleViewer: 200, "": 401} {
		headers := []string{"Accept: text/event-stream"}
		if role != "" {
			headers = append(headers, "Authorization: Bearer "+tokens[role])
		}
		if r := open(t, url, headers...); r.StatusCode != status {
			t.Errorf("%s: %d", role, r.StatusCode)
		}
	}
}

// A stream shows that it lives, and ends when its log-in does.
func TestStreamEndsWithItsLogIn(t *testing.T) {
	path, tokens := tokensFor(t)
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(d *Deps) { d.TokenFile, d.Now = path, time.Now })
		cookie := a.call("POST", apiBase+"/session", `{"token":"`+tokens[RoleViewer]+`"}`).Result().Cookies()[0]
		r := httptest.NewRequest("GET", apiBase+"/events", nil)
		r.Host = "localhost"
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() { a.Handler().ServeHTTP(w, r); close(ended) }()
		time.Sleep(2*heartbeat + time.Second)
		synctest.Wait()
		if n := strings.Count(w.Body.String(), ": still here\n\n"); n != 2 {
			t.Errorf("%d heartbeats in %s", n, 2*heartbeat)
		}
		a.call("DELETE", apiBase+"/session", "", "Cookie: dlq_session="+cookie.Value)
		time.Sleep(heartbeat)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the stream goes on after the log-out")
			a.hub.close()
			<-ended
		}
	})
}

// A follower whose connection takes nothing any more neither holds up the others nor the stop.
func TestAStuckConnection(t *testing.T) {
	a := newAPI(t, nil)
	url, stop := serve(t, a)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(1024); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", apiBase)
	head := make([]byte, 15)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200 OK" {
		t.Fatalf("%q %v", head, err)
	}
	other := open(t, url)
	other.next()
	fat := strings.Repeat("x", 1<<18)
	began := time.Now()
	for i := range 3 * followerBuffer { // far more than sockets and buffers hold
		a.hub.tell("status", fat)
		if event, _ := other.next(); event != "status" {
			t.Fatalf("frame %d: the other follower got %q", i, event)
		}
	}
	if took := time.Since(began); took > frameTimeout/2 {
		t.Errorf("telling took %s", took)
	}
	a.hub.mu.Lock()
	left := len(a.hub.followers)
	a.hub.mu.Unlock()
	if left != 1 {
		t.Errorf("%d followers are left", left)
	}
	conn.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestServeEndsWithItsListener(t *testing.T) {
	a := newAPI(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := a.Serve(context.Background(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// What was asked for is done to its end, even if the caller does not wait.
func TestAWriteOutlivesItsCaller(t *testing.T) {
	a := newAPI(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	a.stub.replay = func(dlq.ReplayRequest) error { leave(); return nil }
	r := httptest.NewRequest("POST", apiBase+"/letters/41/replay", strings.NewReader(`{"version":3}`)).WithContext(ctx)
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	a.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if got := a.stub.done(); got != "replay local  " {
		t.Errorf("done: %q", got)
	}
}

// A write that is under way at the stop is finished and answered.
func TestServeLetsWritesFinish(t *testing.T) {
	a := newAPI(t, nil)
	began, goOn := make(chan struct{}), make(chan struct{})
	a.stub.replay = func(dlq.ReplayRequest) error { close(began); <-goOn; return nil }
	url, stop := serve(t, a)
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Post(url+apiBase+"/letters/41/replay", "application/json", strings.NewReader(`{"version":3}`))
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case err := <-stopped:
		t.Fatalf("the server stopped in the middle of a write: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if status := <-answered; status != 200 {
		t.Errorf("the write was answered with %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}
