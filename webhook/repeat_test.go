package webhook

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// cutter is an endpoint that answers the first request of each connection and cuts the connection when it has read the
// second one whole.
func cutter(t *testing.T) (url string, requests *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests = &atomic.Int64{}
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		for n := 1; n <= 2; n++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			requests.Add(1)
			if n == 2 {
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "http://" + l.Addr().String() + "/settle", requests
}

// A request whose answer never came may have been carried out. Whether it is made again is decided, numbered and paced by
// those who called, and by nobody below them.
func TestNobodyBelowRepeatsARequest(t *testing.T) {
	secrets, err := ParseSecrets(goldenSecret)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"short": `{"a":1}`, "long": `"` + strings.Repeat("x", 1<<20) + `"`} {
		t.Run(name, func(t *testing.T) {
			url, requests := cutter(t)
			c := New(Options{AllowLoopback: true})
			defer c.Close()
			r := Request{Receiver: "shop", URL: url, ID: "call_1", Secrets: secrets, Body: []byte(body), Timeout: 20 * time.Second}
			if res, err := c.Call(t.Context(), r); err != nil || res.Status != 200 {
				t.Fatalf("the first call: %+v %v", res, err)
			}
			// The connection goes back to the pool a moment after the answer was read.
			for tries := 0; requests.Load() < 2 && tries < 100; tries++ {
				before := requests.Load()
				_, err = c.Call(t.Context(), r)
				if got := requests.Load() - before; got != 1 {
					t.Fatalf("one call made %d requests", got)
				}
			}
			if dlq.CodeOf(err) != dlq.CodeUnavailable {
				t.Errorf("a call without an answer: %v", err)
			}
		})
	}
}
