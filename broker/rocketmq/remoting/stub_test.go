package remoting

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"sync"
	"testing"
)

func sprintf(format string, v any) string { return fmt.Sprintf(format, v) }

func hmacSHA1(key, content string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(content))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// stub is a server whose behaviour is one function: it gets each request with a function that answers it.
type stub struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

func serve(t *testing.T, handle func(req *Command, answer func(*Command))) *stub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{Listener: l}
	s.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, nc)
			s.mu.Unlock()
			s.wg.Go(func() { s.talk(nc, handle) })
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *stub) talk(nc net.Conn, handle func(*Command, func(*Command))) {
	defer nc.Close()
	var write sync.Mutex
	r := bufio.NewReader(nc)
	for {
		req, err := readFrame(r, 1<<26)
		if err != nil {
			return
		}
		handle(req, func(ans *Command) {
			ans.Opaque, ans.Flag = req.Opaque, flagAnswer
			frame, err := encodeFrame(ans)
			if err != nil {
				panic(err)
			}
			write.Lock()
			defer write.Unlock()
			_, _ = nc.Write(frame) // the client may be gone
		})
	}
}

func (s *stub) addr() string { return s.Addr().String() }

func (s *stub) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// cut closes all connections; the listener stays.
func (s *stub) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, nc := range s.conns {
		nc.Close()
	}
}

func (s *stub) stop() {
	s.Close()
	s.cut()
	s.wg.Wait()
}
