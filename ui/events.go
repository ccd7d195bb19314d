package ui

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	heartbeat    = 15 * time.Second
	frameTimeout = 10 * time.Second // a follower that takes longer for one frame is gone
)

// hello is the body of the first event.
type hello struct {
	LastEvent int64 `json:"last_event,string"`
}

// streamEvents follows what happens until the caller leaves, its log-in ends, it is too slow, or the server stops.
func (s *Server) streamEvents(c echo.Context) error {
	if err := bindQuery(c.Request().URL, reflect.ValueOf(none{})); err != nil {
		return err
	}
	// The newest event is known from the store before the first one is published.
	summary, err := s.Store.Summary(c.Request().Context())
	if err != nil {
		return err
	}
	s.hub.started(summary.LastEvent)
	one, last, err := s.hub.follow(actor(c.Request().Context()))
	if err != nil {
		return err
	}
	defer s.hub.leave(one)

	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the stream back
	c.Response().WriteHeader(http.StatusOK)
	w := stream{c, http.NewResponseController(c.Response())}

	ok := w.write(sse("hello", last, hello{last}))
	if seen := c.Request().Header.Get("Last-Event-ID"); ok && seen != "" && seen != strconv.FormatInt(last, 10) {
		ok = w.write(sse("resync", 0, struct{}{}))
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for ok {
		select {
		case <-c.Request().Context().Done():
			return nil
		case f, open := <-one.frames:
			if !open {
				if one.slow {
					w.write(sse("resync", 0, struct{}{}))
				}
				return nil
			}
			ok = w.write(f)
		case <-beat.C:
			if who, err := s.entrance.who(c.Request()); err != nil || allow(who, RoleViewer) != nil {
				return nil
			}
			ok = w.write(frame(": still here\n\n"))
		}
	}
	return nil
}

// stream is the connection of one follower.
type stream struct {
	echo.Context
	control *http.ResponseController
}

func (w stream) write(f frame) bool {
	// A writer without deadlines is one of a test.
	_ = w.control.SetWriteDeadline(time.Now().Add(frameTimeout))
	if _, err := w.Response().Write(f); err != nil {
		return false
	}
	return w.control.Flush() == nil
}
