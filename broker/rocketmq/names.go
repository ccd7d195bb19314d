package rocketmq

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// Resolver gives the client library the addresses of name servers. The library itself refuses host names ("IP addr
// error", primitive/base.go), and asks again every two minutes. It is safe for concurrent use.
type Resolver struct {
	hosts  []string // "host:port"
	lookup func(ctx context.Context, host string) ([]string, error)

	mu   sync.Mutex
	last []string // last good answer
}

// NewResolver makes a Resolver of name servers, each "host:port" by name or address. What is not so written is left out.
func NewResolver(hosts []string) *Resolver {
	return &Resolver{hosts: hosts, lookup: net.DefaultResolver.LookupHost}
}

// Description implements primitive.NsResolver.
func (r *Resolver) Description() string { return "name servers " + strings.Join(r.hosts, ";") }

// Resolve implements primitive.NsResolver. It takes two seconds at the longest; while no name can be resolved the last good
// answer stands.
func (r *Resolver) Resolve() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var out []string
	for _, hp := range r.hosts {
		host, port, err := net.SplitHostPort(hp)
		if err != nil {
			continue
		}
		ips, err := r.lookup(ctx, host)
		if err != nil {
			continue
		}
		for _, ip := range ips {
			out = append(out, net.JoinHostPort(ip, port))
		}
	}
	if len(out) > 0 {
		r.last = out
	}
	return r.last
}

// clientLog hands the client library's log on, as debugging: what fails inside the library it tries again by itself, in a
// broker's absence many times a second, and what it gives up it returns to its caller.
type clientLog struct{ log *slog.Logger }

var bridgeOnce sync.Once

// BridgeClientLog turns the client library's global logger, which prints to stderr by itself, into ours. The library
// has only this one, so the first call of a process decides; New makes it, too.
func BridgeClientLog(log *slog.Logger) {
	bridgeOnce.Do(func() { rlog.SetLogger(clientLog{log.With("from", "rocketmq-client-go")}) })
}

// plain says whether a field of the client library's log may be shown: texts, numbers and errors under a name that
// stands for no message. All else may hold bodies, and is being changed by other goroutines while it is formatted.
func plain(name string, value any) bool {
	switch value.(type) {
	case string, bool, int, int32, int64, uint64, float64, error:
		return name != rlog.LogKeyMessages && !strings.EqualFold(name, "message") && !strings.EqualFold(name, "body")
	}
	return false
}

func (c clientLog) write(level slog.Level, msg string, fields map[string]interface{}) {
	ctx := context.Background()
	if !c.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for k, v := range fields {
		if plain(k, v) {
			attrs = append(attrs, slog.Any(k, v))
		}
	}
	c.log.LogAttrs(ctx, level, msg, attrs...)
}

func (c clientLog) Debug(msg string, fields map[string]interface{}) {
	c.write(slog.LevelDebug-4, msg, fields)
}
func (c clientLog) Info(msg string, fields map[string]interface{}) {
	c.write(slog.LevelDebug-4, msg, fields)
}
func (c clientLog) Warning(msg string, fields map[string]interface{}) {
	c.write(slog.LevelDebug, msg, fields)
}
func (c clientLog) Error(msg string, fields map[string]interface{}) {
	c.write(slog.LevelDebug, msg, fields)
}

// Fatal does not exit: that is not for a library to decide.
func (c clientLog) Fatal(msg string, fields map[string]interface{}) {
	c.write(slog.LevelError, msg, fields)
}

// Level and OutputPath do nothing: level and place are the program's.
func (c clientLog) Level(string)            {}
func (c clientLog) OutputPath(string) error { return nil }
