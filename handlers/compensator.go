package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"

	"github.com/prometheus/client_golang/prometheus"
)

// CallStore keeps the calls to compensation endpoints.
type CallStore interface {
	DueCalls(ctx context.Context, now time.Time, limit int) ([]dlq.Call, error)
	SaveCall(ctx context.Context, c dlq.Call) error
	AddAttempt(ctx context.Context, a dlq.Attempt) error
}

// CalledStore reads the letters that calls are about, and moves them.
type CalledStore interface {
	Detail(ctx context.Context, id int64) (dlq.Detail, error)
	Message(ctx context.Context, id int64) (dlq.DeadMessage, error)
	Apply(ctx context.Context, changes ...dlq.Change) ([]dlq.Letter, error)
}

// CompensatorStore is the store as the compensator sees it.
type CompensatorStore interface {
	CallStore
	CalledStore
}

// Caller makes one signed call.
type Caller interface {
	Call(ctx context.Context, r webhook.Request) (webhook.Response, error)
}

// Unwrapper takes a message out of the envelope that wraps it.
type Unwrapper interface {
	Unwrap(m *dlq.DeadMessage) (body []byte, topic string, wrapped bool, err error)
}

// CompensatorDeps is what a Compensator needs. Logger, Now and Registerer may be nil; Parallel 0 means 8.
type CompensatorDeps struct {
	Store         CompensatorStore
	Caller        Caller
	Rules         Unwrapper
	Compensations *LiveCompensations
	Automation    func() dlq.Automation
	Parallel      int // most calls under way at once
	Now           func() time.Time
	Logger        *slog.Logger
	Registerer    prometheus.Registerer
}

// Compensator asks compensation endpoints about letters and does what they answer.
//
// Before a call is made it is put off in the store until its answer must be there. So one that was lost, with the process
// or because the answer could not be stored, is made again, after its endpoint has stopped working on the first. Its id
// stays the same, and endpoints must be idempotent on it. For one letter one call is under way at most.
// While automation is off or stopped none begins, and one that is under way ends.
type Compensator struct {
	store      CompensatorStore
	caller     Caller
	rules      Unwrapper
	comps      *LiveCompensations
	automation func() dlq.Automation
	parallel   int
	now        func() time.Time
	log        *slog.Logger
	metrics    *metrics

	freed   chan struct{} // a call ended
	working sync.WaitGroup
	mu      sync.Mutex
	asking  map[int64]bool // letters about which a call is under way
}

// NewCompensator makes a Compensator.
func NewCompensator(d CompensatorDeps) *Compensator {
	if d.Parallel <= 0 {
		d.Parallel = 8
	}
	return &Compensator{
		store: d.Store, caller: d.Caller, rules: d.Rules, comps: d.Compensations, automation: d.Automation, parallel: d.Parallel,
		now: orNow(d.Now), log: orLog(d.Logger), metrics: newMetrics(d.Registerer),
		freed: make(chan struct{}, 1), asking: map[int64]bool{},
	}
}

const (
	// lease is how long after its time-out a call that was begun counts as lost.
	lease = 15 * time.Second
	// patience is how long an endpoint may go on asking to be asked again before a person is.
	patience = 72 * time.Hour
	// maxBroken is how many answers of one call may break the contract.
	maxBroken = 3
)

// Run makes due calls until the context ends, waits for those under way to end, and returns the context's error. A call
// that the end of the context cuts off is made again at the next start.
func (c *Compensator) Run(ctx context.Context) error {
	defer c.working.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := c.runOnce(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("make compensation calls", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.freed:
		case <-tick.C:
		}
	}
}

// runOnce begins as many of the due calls as there is room for.
func (c *Compensator) runOnce(ctx context.Context) error {
	if a := c.automation(); !a.On || a.Stopped {
		return nil
	}
	c.mu.Lock()
	busy := len(c.asking)
	c.mu.Unlock()
	if busy >= c.parallel {
		return nil
	}
	due, err := c.store.DueCalls(ctx, c.now(), c.parallel)
	if err != nil {
		return fmt.Errorf("list due calls: %w", err)
	}
	for _, call := range due {
		if !c.begin(call.LetterID) {
			continue
		}
		c.working.Add(1)
		go func() {
			defer c.working.Done()
			err := c.one(ctx, call)
			c.end(call.LetterID, err == nil)
			if err != nil && ctx.Err() == nil {
				c.log.Error("compensation call", "call", call.ID, "letter", call.LetterID, "name", call.Name, "error", err)
			}
		}()
	}
	return nil
}

func (c *Compensator) begin(letter int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking[letter] || len(c.asking) >= c.parallel {
		return false
	}
	c.asking[letter] = true
	return true
}

// end makes room for another call. After a failure of our own the next one waits for the clock, so that a store that
// cannot be written is not asked in a circle.
func (c *Compensator) end(letter int64, well bool) {
	c.mu.Lock()
	delete(c.asking, letter)
	c.mu.Unlock()
	if !well {
		return
	}
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// one makes one call once and puts its outcome into effect.
func (c *Compensator) one(ctx context.Context, call dlq.Call) error {
	d, err := c.store.Detail(ctx, call.LetterID)
	if err != nil && dlq.CodeOf(err) != dlq.CodeNotFound {
		return err
	}
	if err != nil || !current(d, call) {
		return c.drop(ctx, call)
	}
	comp := c.comps.find(call.Name)
	if comp == nil || comp.Disabled() {
		call.State, call.NextAt, call.Error = dlq.CallCancelled, nil, "the compensation "+call.Name+" is off"
		return c.settle(ctx, call, answer{ruling: rulingRetired, err: call.Error})
	}
	now := c.now().UTC()
	again := now.Add(comp.Timeout + lease)
	call.NextAt, call.ChangedAt, call.Log = &again, now, nil
	call.Failures, call.Broken = tally(d.Calls[0].Log)
	call.Attempts++
	request, err := c.request(ctx, comp, call, d)
	if err != nil {
		return err
	}
	if err := c.store.SaveCall(ctx, call); err != nil {
		return fmt.Errorf("write the call before it is made: %w", err)
	}
	var res webhook.Response
	url, secrets, callErr := comp.target()
	if callErr == nil {
		request.URL, request.Secrets = url, secrets
		res, callErr = c.caller.Call(ctx, request)
	}
	if ctx.Err() != nil {
		return ctx.Err() // the process ends; the call is made again when its lease is over
	}
	if callErr != nil {
		c.log.Warn("compensation call failed", "call", call.ID, "letter", call.LetterID, "name", call.Name, "attempt", call.Attempts, "error", callErr)
	}
	ans := understand(res, callErr, call.ID, allowed(d.Letter))
	c.metrics.took("compensate", string(ans.ruling), res.Duration)
	attempt := dlq.Attempt{
		CallID: call.ID, Number: call.Attempts, At: now, Duration: dlq.Duration(res.Duration), Status: res.Status,
		Answer: dlq.Cut(string(res.Body), maxAnswerKept), Error: ans.err, Address: res.Address,
	}
	if err := c.store.AddAttempt(ctx, attempt); err != nil {
		return fmt.Errorf("write attempt %d: %w", attempt.Number, err)
	}
	if ans.ruling == rulingRetired {
		comp.retired.Store(true)
		c.log.Error("the compensation endpoint is gone (410); it is off until the rules are loaded anew", "name", comp.Name)
	}
	return c.settle(ctx, advance(call, ans, comp.Retry, c.now().UTC()), ans)
}

// maxAnswerKept is how many bytes of an answer its attempt keeps.
const maxAnswerKept = 16 << 10

// request writes the question about a letter, but for where it goes.
func (c *Compensator) request(ctx context.Context, comp *Compensation, call dlq.Call, d dlq.Detail) (webhook.Request, error) {
	m, err := c.store.Message(ctx, d.ID)
	if err != nil {
		return webhook.Request{}, fmt.Errorf("read the message: %w", err)
	}
	body, _, _, err := c.rules.Unwrap(&m)
	if err != nil {
		body = m.Body // an envelope that cannot be opened is told as it is
	}
	question, err := ask(call, d, m, body, c.now(), comp.Timeout)
	return webhook.Request{Receiver: comp.Name, ID: call.ID, Body: question, Timeout: comp.Timeout}, err
}

// drop ends a call that no letter waits for any more.
func (c *Compensator) drop(ctx context.Context, call dlq.Call) error {
	call.State, call.NextAt, call.ChangedAt = dlq.CallCancelled, nil, c.now().UTC()
	if err := c.store.SaveCall(ctx, call); err != nil && dlq.CodeOf(err) != dlq.CodeNotFound {
		return fmt.Errorf("cancel a call: %w", err)
	}
	return nil
}

// settle moves the letter by what the endpoint answered. When the letter has gone on meanwhile, because somebody
// cancelled or the message died once more, the answer is kept and noted, and moves nothing.
func (c *Compensator) settle(ctx context.Context, call dlq.Call, a answer) error {
	for try := 1; ; try++ {
		d, err := c.store.Detail(ctx, call.LetterID)
		if dlq.CodeOf(err) == dlq.CodeNotFound {
			return c.drop(ctx, call)
		}
		if err != nil {
			return err
		}
		change := enact(d, call, a, c.now().UTC())
		if !current(d, call) {
			if a.ruling != rulingVerdict {
				return c.drop(ctx, call)
			}
			change = tooLate(d, call, change)
		}
		_, err = c.store.Apply(ctx, change)
		if code := dlq.CodeOf(err); (code == dlq.CodeConflict || code == dlq.CodeRefused) && try < 5 {
			continue
		}
		if err != nil {
			return fmt.Errorf("put the answer %s into effect: %w", a.ruling, err)
		}
		c.metrics.decided("compensate", a.name(), "webhook")
		return nil
	}
}

// current reports whether the letter still waits for this very call.
func current(d dlq.Detail, call dlq.Call) bool {
	return d.State == dlq.StateCompensating && len(d.Calls) > 0 && d.Calls[0].ID == call.ID
}

func asError(err error) (*dlq.Error, bool) {
	var e *dlq.Error
	ok := errors.As(err, &e)
	return e, ok
}
