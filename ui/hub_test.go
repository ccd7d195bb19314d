package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

func changed(ids ...int64) (events []dlq.Event) {
	for i, id := range ids {
		events = append(events, dlq.Event{ID: 100 + int64(i), LetterID: id, Kind: dlq.EventNoted})
	}
	return events
}

// next reads one frame of a follower.
func next(t *testing.T, one *follower) (event string, told changes) {
	t.Helper()
	select {
	case f, open := <-one.frames:
		if !open {
			return "closed", told
		}
		event, data := parse(t, string(f))
		if err := json.Unmarshal([]byte(data), &told); err != nil {
			t.Fatal(err)
		}
		slices.Sort(told.Changed)
		return event, told
	default:
		return "", told
	}
}

func parse(t *testing.T, f string) (event, data string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(f, "\n\n"), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case !ok:
			t.Fatalf("not an event: %q", f)
		case name == "event":
			event = value
		case name == "data":
			data = value
		}
	}
	return event, data
}

func TestChangesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		h.started(17)
		one, last, err := h.follow("x")
		if err != nil || last != 17 {
			t.Fatal(last, err)
		}
		h.publish(nil)
		h.publish([]dlq.Event{{ID: 18, LetterID: 1, Kind: dlq.EventArrived}, {ID: 19, LetterID: 2, Kind: dlq.EventArrived}})
		h.publish(changed(1, 3, 3))
		time.Sleep(coalesce - time.Nanosecond)
		synctest.Wait()
		if event, _ := next(t, one); event != "" {
			t.Errorf("told before %s: %s", coalesce, event)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		event, told := next(t, one)
		if diff := cmp.Diff(changes{LastEvent: 102, Arrived: 2, Changed: []string{"1", "3"}}, told); event != "changes" || diff != "" {
			t.Errorf("%s %s", event, diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if event, _ := next(t, one); event != "" {
			t.Errorf("told twice: %s", event)
		}
		h.publish(changed(4)) // what was told is not told again
		time.Sleep(coalesce)
		synctest.Wait()
		if _, told := next(t, one); told.Arrived != 0 || !slices.Equal(told.Changed, []string{"4"}) || told.LastEvent != 102 {
			t.Errorf("%+v", told)
		}
	})
}

func TestManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		one, _, _ := h.follow(dlq.ActorLocal)
		var ids []int64
		for id := range int64(changedMax + 1) {
			ids = append(ids, id+1)
		}
		h.publish(changed(ids...))
		time.Sleep(coalesce)
		synctest.Wait()
		if _, told := next(t, one); len(told.Changed) != changedMax || !told.More {
			t.Errorf("%d ids, more %v", len(told.Changed), told.More)
		}
	})
}

// One who does not read is cut off, and costs neither the others nor the publisher anything.
func TestASlowFollowerIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		slow, _, _ := h.follow(dlq.ActorLocal)
		fast, _, _ := h.follow(dlq.ActorLocal)
		for range followerBuffer + 1 {
			h.publish(changed(1))
			time.Sleep(coalesce)
			synctest.Wait()
			if event, _ := next(t, fast); event != "changes" {
				t.Fatalf("the fast one got %q", event)
			}
		}
		read := 0
		for range slow.frames {
			read++
		}
		if read != followerBuffer || !slow.slow {
			t.Errorf("the slow one read %d frames, slow is %v", read, slow.slow)
		}
		h.leave(slow) // as its handler does
		h.leave(fast)
		if fast.slow {
			t.Error("the fast one is called slow")
		}
	})
}

// One token cannot take the places of all others.
func TestStreamsAreShared(t *testing.T) {
	h := newHub()
	defer h.close()
	for range followersOfOne {
		if _, _, err := h.follow("greedy"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.follow("greedy"); dlq.CodeOf(err) != dlq.CodeRateLimited {
		t.Errorf("one token may have any number of streams: %v", err)
	}
	for n := followersOfOne; n < followersMax; n++ {
		if _, _, err := h.follow("token" + strconv.Itoa(n/(followersOfOne-1))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.follow("late"); err != nil {
		t.Errorf("all places are taken, and one who has none gets none: %v", err)
	}
	greedy := 0
	for f := range h.followers {
		if f.who == "greedy" {
			greedy++
		}
	}
	if greedy != followersOfOne-1 || len(h.followers) != followersMax {
		t.Errorf("the greedy one has %d streams, all have %d", greedy, len(h.followers))
	}
}

func TestTheHubHasAnEnd(t *testing.T) {
	h := newHub()
	var all []*follower
	for range followersMax {
		one, _, err := h.follow(dlq.ActorLocal)
		if err != nil {
			t.Fatal("refused")
		}
		all = append(all, one)
	}
	if _, _, err := h.follow(dlq.ActorLocal); err == nil {
		t.Error("there may be any number of followers")
	}
	h.leave(all[0])
	if _, _, err := h.follow(dlq.ActorLocal); err != nil {
		t.Error("one who leaves makes no room")
	}
	h.publish(changed(1))
	h.close()
	h.close()
	if _, open := <-all[1].frames; open {
		t.Error("a stream goes on after the end")
	}
	h.publish(changed(2))
	h.tell("status", Status{})
	if _, _, err := h.follow(dlq.ActorLocal); err == nil || h.timer != nil {
		t.Error("the hub goes on after its end")
	}
}

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

// Intake stays stalled since the same moment as long as it is stalled.
func TestStalledSince(t *testing.T) {
	var k stateKeeper
	topic := func(checked time.Time, err string) []dlq.TopicInfo {
		return []dlq.TopicInfo{{Readable: true, CheckedAt: noon}, {Readable: true, CheckedAt: checked, LastError: err, Unread: 3}, {Readable: false, CheckedAt: noon.Add(-time.Hour), LastError: "write only"}}
	}
	if got := k.intake(topic(noon, ""), noon); got.Stalled || got.Since != nil {
		t.Errorf("fine: %+v", got)
	}
	first := noon.Add(-10 * time.Second)
	if got := k.intake(topic(first, "no answer"), noon); !got.Stalled || !got.Since.Equal(first) {
		t.Errorf("an error: %+v", got)
	}
	if got := k.intake(topic(noon, "no answer"), noon); !got.Stalled || !got.Since.Equal(first) {
		t.Errorf("a later error: %+v", got)
	}
	if got := k.intake(topic(noon, ""), noon); got.Stalled || got.Since != nil {
		t.Errorf("fine again: %+v", got)
	}
	if got := k.intake(topic(noon.Add(-2*time.Minute), ""), noon); !got.Stalled {
		t.Errorf("not looked at for two minutes: %+v", got)
	}
}
