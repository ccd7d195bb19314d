// Package replay gives dead letters back to their consumers and finds out what became of them.
//
// A replay is an intent written to the store, then a send through one of the doors, then a settled send, and in the
// end an outcome. Whatever is killed in between, the intent is found again and the broker is asked whether the message
// arrived: nothing is sent twice on a guess, and nothing is forgotten.
//
// The parts share one Service: Replay for people, Batch for operations, RunDue for letters that rules have scheduled,
// RunTracker for sends that are not settled and outcomes that are not known, Edit for what is changed before it is sent,
// Probe for asking a listener instead. They share it because one thing must hold for all of them: which door leads where,
// how an intent is claimed and settled, and what is on its way at this moment. That is why the package is large.
package replay

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// Letters is where letters are read.
type Letters interface {
	Letter(ctx context.Context, id int64) (dlq.Letter, error)
	Detail(ctx context.Context, id int64) (dlq.Detail, error)
	Message(ctx context.Context, id int64) (dlq.DeadMessage, error)
	Messages(ctx context.Context, ids []int64) (map[int64]dlq.DeadMessage, error)
	SameFailures(ctx context.Context, fingerprint string, since time.Time) (int64, error)
}

// Work is where work that is due is found, and where steps of letters are written.
type Work interface {
	Due(ctx context.Context, state dlq.State, now time.Time, limit int) ([]dlq.Letter, error)
	ApplyEach(ctx context.Context, changes []dlq.Change) ([]dlq.Letter, []error)
}

// Replays is where the tracker finds what it has to look at, and keeps its notes.
type Replays interface {
	Replay(ctx context.Context, id string) (dlq.Replay, error)
	OpenReplays(ctx context.Context, now time.Time, limit int) ([]dlq.Replay, error)
	Unsettled(ctx context.Context) ([]dlq.Replay, error)
	SaveLooks(ctx context.Context, list []dlq.Replay) []error
}

// Edits is where changed versions of messages are kept. AddEdit gives the edit its number and compares the letter's
// version with the one that was seen: of two editors one wins.
type Edits interface {
	AddEdit(ctx context.Context, e dlq.Edit, version int64) (dlq.Edit, dlq.Letter, error)
	Edits(ctx context.Context, letterID int64) ([]dlq.Edit, error)
}

// Store is all that this package asks of the store.
type Store interface {
	Letters
	Work
	Replays
	Edits
}

// Cluster answers questions about consumer groups, brokers and topics.
type Cluster interface {
	Status() dlq.ClusterStatus
	Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error)
	Capabilities(ctx context.Context, brokerName string) (dlq.Capabilities, error)
	Subscribers(ctx context.Context, topic string) (groups []string, complete bool, err error)
	Topics(ctx context.Context) ([]dlq.TopicInfo, error)
}

// Post takes messages to brokers, and looks where they went.
//
// Send's error explains a result that is not dlq.Sent. Its code tells a refusal for good from one that may pass:
// dlq.CodeUnavailable may be tried again. Look answers an error unless it could ask every broker that may hold a copy,
// so that no copies and no error mean that there is none. LookMany is Look for many replays, in their order. Size tells how
// many bytes of body a broker would be handed.
type Post interface {
	Send(ctx context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error)
	Look(ctx context.Context, r dlq.Replay) (dlq.Evidence, error)
	LookMany(ctx context.Context, list []dlq.Replay) ([]dlq.Evidence, []error)
	Size(req dlq.SendRequest) (int, error)
}

// Prober has one connected client run its listener on a dead message. With an error the listener has not run; where it may
// have, the verdict is dlq.ProbeTimeout.
type Prober interface {
	Probe(ctx context.Context, group, clientID string, m *dlq.DeadMessage) (dlq.ProbeAnswer, error)
}

// Broker is all that this package asks of a message broker.
type Broker interface {
	Cluster
	Post
	Prober
}

// Rules takes messages out of their envelopes, and tells where operators may send the letters of a consumer group.
type Rules interface {
	ReplayTargets(consumerGroup string) dlq.ReplayTargets
	Unwrap(m *dlq.DeadMessage) (body []byte, topic string, wrapped bool, err error)
}

// Deps are what a Service works with. Now, Logger and Registerer may be nil.
type Deps struct {
	Store      Store
	Broker     Broker
	Rules      Rules
	Automation func() dlq.Automation       // the switch as it stands
	Policy     func() dlq.AutomationPolicy // of the rules in force
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// Probed keeps what a probe found as the letter's reason, and returns the letter after it.
	Probed func(ctx context.Context, p dlq.Probe) (dlq.Letter, error)
}

// Service replays letters and tracks what became of them. Its methods may be called at the same time.
type Service struct {
	Deps
	begun   time.Time // nobody watched consumer groups before
	metrics metrics
	backOff backOff
	ask     *asker

	wake chan struct{} // a send wants to be looked at

	mu       sync.Mutex
	sends    map[string]chan struct{} // by broker, one for each send that is under way: one that hangs must not hold the others
	inFlight map[string]int64         // replays that this process is sending now, with their letters: the tracker leaves them alone
	probing  map[int64]bool           // letters whose listener is being run
	watching map[string]watchState    // replays that the tracker follows; losing it loses none of them
	sweepDue time.Time                // when one of them is overdue, at the earliest
	sleeps   time.Time                // until when the tracker sleeps; zero while it works
}

// New makes a Service. RunDue and RunTracker are its loops.
func New(d Deps) *Service {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		Deps:     d,
		metrics:  newMetrics(d.Registerer),
		backOff:  backOff{tries: map[int64]int{}},
		wake:     make(chan struct{}, 1),
		sends:    map[string]chan struct{}{},
		inFlight: map[string]int64{},
		probing:  map[int64]bool{},
		watching: map[string]watchState{},
	}
	s.begun = s.now()
	s.ask = &asker{cluster: d.Broker, now: s.now, known: map[askKey]*asked{}}
	return s
}

func (s *Service) now() time.Time { return s.Now().UTC() }

// stir wakes the tracker if it would sleep past a time. The caller holds the lock.
func (s *Service) stir(at time.Time) {
	if !s.sleeps.IsZero() && !at.Before(s.sleeps) {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
