package ui

import (
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"deadletteroffice/dlq"
)

// What one token may report: a storm at once, and little for ever. Reports are kept for days whether a letter comes or not.
const (
	reportsPerSecond     = 100
	reportsAtOnce        = 10_000
	reportBytesPerSecond = 32 << 10
	reportBytesAtOnce    = 4 << 20
)

// quotas bound what each token reports.
type quotas struct {
	mu sync.Mutex
	of map[string]*quota // by the token's name, of which there are as many as in the token file
}

type quota struct{ reports, bytes *rate.Limiter }

func (q *quotas) find(who string) *quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	have := q.of[who]
	if have == nil {
		if q.of == nil {
			q.of = map[string]*quota{}
		}
		have = &quota{rate.NewLimiter(reportsPerSecond, reportsAtOnce), rate.NewLimiter(reportBytesPerSecond, reportBytesAtOnce)}
		q.of[who] = have
	}
	return have
}

// take uses up n of what is allowed now. The error is CodeRateLimited and says when so much will be there.
func take(l *rate.Limiter, now time.Time, n int, what string) error {
	r := l.ReserveN(now, min(n, l.Burst()))
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	seconds := strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	return &dlq.Error{Code: dlq.CodeRateLimited, Message: "this token reports more " + what + " than one token may",
		Hint: "try again in " + seconds + " seconds; one report for each message that fails for good is enough", Params: map[string]string{"retry_after": seconds}}
}

// metered counts the bytes of reports before any of them is read. A body that does not say how long it is counts as the
// longest.
func (s *Server) metered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		n := r.ContentLength
		if n < 0 || n > bodyLimit {
			n = bodyLimit
		}
		if err := take(s.quotas.find(actor(r.Context())).bytes, s.Now(), int(n), "bytes"); err != nil {
			return drained(r, err)
		}
		return next(c)
	}
}
