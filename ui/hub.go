package ui

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

const (
	coalesce       = 250 * time.Millisecond // changes are told at most this often
	changedMax     = 200                    // ids of one changes event
	followersMax   = 256
	followersOfOne = 32 // streams that one token may have open
	followerBuffer = 16 // frames that a slow follower may be behind
)

// frame is one server-sent event, as it goes over the wire.
type frame []byte

// hub tells followers of the stream what happened. Publishing costs a lock and a few map writes, whatever the followers do.
type hub struct {
	mu        sync.Mutex
	closed    bool
	followers map[*follower]struct{}
	last      int64 // id of the newest event
	arrived   int
	changed   map[int64]struct{}
	more      bool
	timer     *time.Timer // runs while something waits to be told
}

// follower is one open stream. frames is closed when the stream shall end; slow says why.
type follower struct {
	who    string // whose it is
	frames chan frame
	slow   bool // it did not read; it must resync. Read it only after frames is closed.
}

func newHub() *hub {
	return &hub{followers: map[*follower]struct{}{}, changed: map[int64]struct{}{}}
}

// publish takes events in. It never blocks.
func (h *hub) publish(events []dlq.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.last = max(h.last, e.ID)
		if e.Kind == dlq.EventArrived {
			h.arrived++
			continue
		}
		if _, known := h.changed[e.LetterID]; known {
			continue
		}
		if len(h.changed) >= changedMax {
			h.more = true
			continue
		}
		h.changed[e.LetterID] = struct{}{}
	}
	if h.timer == nil && !h.closed {
		h.timer = time.AfterFunc(coalesce, h.flush)
	}
}

// changes is the body of a changes event.
type changes struct {
	LastEvent int64    `json:"last_event,string"`
	Arrived   int      `json:"arrived"`
	Changed   []string `json:"changed"`
	More      bool     `json:"more"`
}

func (h *hub) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = nil
	if h.closed {
		return
	}
	told := changes{LastEvent: h.last, Arrived: h.arrived, Changed: make([]string, 0, len(h.changed)), More: h.more}
	for id := range h.changed {
		told.Changed = append(told.Changed, strconv.FormatInt(id, 10))
	}
	h.arrived, h.more = 0, false
	clear(h.changed)
	h.send(sse("changes", h.last, told))
}

// tell sends one event to everybody.
func (h *hub) tell(event string, body any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.send(sse(event, 0, body))
	}
}

// send gives a frame to every follower and cuts off those that are too far behind. h.mu is held.
func (h *hub) send(f frame) {
	for one := range h.followers {
		select {
		case one.frames <- f:
		default:
			one.slow = true
			delete(h.followers, one)
			close(one.frames)
		}
	}
}

// follow opens a stream for somebody and tells which event was the last one before it. When all places are taken, the one
// who has most gives one of them to somebody who has fewer; their page opens it again. Errors are CodeRateLimited when this
// one has too many, and CodeUnavailable when there is no place or the hub is closed.
func (h *hub) follow(who string) (one *follower, last int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, 0, dlq.Errorf(dlq.CodeUnavailable, "the console is stopping")
	}
	have := map[string]int{}
	var most *follower
	for f := range h.followers {
		have[f.who]++
	}
	for f := range h.followers {
		if most == nil || have[f.who] > have[most.who] {
			most = f
		}
	}
	switch {
	case who != dlq.ActorLocal && have[who] >= followersOfOne:
		return nil, 0, &dlq.Error{Code: dlq.CodeRateLimited, Message: "this token has " + strconv.Itoa(have[who]) + " live streams open already",
			Hint: "close pages that nobody looks at", Params: map[string]string{"retry_after": "15"}}
	case len(h.followers) < followersMax:
	case have[most.who] > have[who]+1:
		delete(h.followers, most)
		close(most.frames)
	default:
		return nil, 0, dlq.Errorf(dlq.CodeUnavailable, "too many live streams are open").WithHint("close pages that nobody looks at")
	}
	one = &follower{who: who, frames: make(chan frame, followerBuffer)}
	h.followers[one] = struct{}{}
	return one, h.last, nil
}

// disconnect ends all streams that are open now.
func (h *hub) disconnect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for one := range h.followers {
		delete(h.followers, one)
		close(one.frames)
	}
}

// leave ends a stream.
func (h *hub) leave(one *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.followers[one]; ok {
		delete(h.followers, one)
		close(one.frames)
	}
}

// started takes over the id of the newest event from the store, for streams that open before anything happens.
func (h *hub) started(last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = max(h.last, last)
}

// close ends all streams, now and later.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	for one := range h.followers {
		delete(h.followers, one)
		close(one.frames)
	}
}

// sse writes one server-sent event. JSON has no line break, so the data is one line. id 0 writes none.
func sse(event string, id int64, body any) frame {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // the bodies are ours and can be written
	}
	f := make([]byte, 0, len(text)+64)
	if id > 0 {
		f = strconv.AppendInt(append(f, "id: "...), id, 10)
		f = append(f, '\n')
	}
	f = append(append(append(f, "event: "...), event...), "\ndata: "...)
	return append(append(f, text...), "\n\n"...)
}
