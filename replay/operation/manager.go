// Package operation drives bulk acts on frozen lists of letters: replays above all, and discards, restores, re-routes and
// resolves.
//
// An operation is a row in the store with a list of items, one for each letter. What becomes of an item is written in the
// transaction that moves the letter or its replay, so that this package keeps no ledger of its own: a Manager reads which
// letters wait for their turn, gives them to the replay service or to the desk, batch after batch, at the pace that was
// asked for, and watches the outcomes. Killed at any moment, the next process goes on with what the store says.
//
// Every step of an operation's state is one compare-and-set on its version, together with the event that tells of it. One
// goroutine runs each operation that is neither a draft nor settled.
//
// It is a little larger than packages are here: pace, canary, brake, window and order all decide about the same next letter,
// and apart they would only hand the run's innards to one another.
package operation

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// Records is where operations are kept.
type Records interface {
	NewOperation(ctx context.Context, o dlq.Operation) (dlq.Operation, bool, error)
	Operation(ctx context.Context, idOrNumber string) (dlq.Operation, error)
	SaveOperation(ctx context.Context, o dlq.Operation, seen int64, e dlq.OperationEvent) (dlq.Operation, error)
	DropDraft(ctx context.Context, number int64) error
}

// Shelf is where operations are listed, and where their letters are chosen.
type Shelf interface {
	Operations(ctx context.Context, f dlq.OperationFilter, cursor string, limit int) (dlq.OperationPage, error)
	ActiveOperations(ctx context.Context) ([]dlq.Operation, error)
	Freeze(ctx context.Context, number int64, pick dlq.OperationPick) (dlq.Operation, error)
	OperationPick(ctx context.Context, number int64) (dlq.OperationPick, error)
}

// Facts is what the store knows of a list before anything is done.
type Facts interface {
	OperationFacts(ctx context.Context, number int64, keeps func(broker string) time.Duration) (dlq.OperationPreview, error)
	StaleItems(ctx context.Context, number int64, p dlq.AutomationPolicy, now time.Time) (int64, error)
	LaterConfirmed(ctx context.Context, letters []dlq.Letter) (map[int64]bool, error)
	DriftOf(ctx context.Context, number int64) (dlq.OperationDrift, error)
}

// Work is where letters that wait for their turn are found.
type Work interface {
	OperationWork(ctx context.Context, number int64) (map[string]int64, error)
	OperationTasks(ctx context.Context, number int64, group string, from, below int64, limit int, withMessage bool) ([]dlq.OperationTask, error)
	SkipItems(ctx context.Context, number int64, why map[int64]string) error
	CancelItems(ctx context.Context, number int64) (int64, error)
}

// Outcomes is where it is read what became of letters.
type Outcomes interface {
	RecentOutcomes(ctx context.Context, number int64, since time.Time, limit int) ([]dlq.SettledReplay, error)
	Items(ctx context.Context, number int64, states []dlq.ItemState, cursor string, limit int) (dlq.ItemPage, error)
	Messages(ctx context.Context, ids []int64) (map[int64]dlq.DeadMessage, error)
}

// Store is all that this package asks of the store.
type Store interface {
	Records
	Shelf
	Facts
	Work
	Outcomes
}

// Replays gives letters back.
type Replays interface {
	Batch(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult
	Doors(ctx context.Context, spec dlq.ReplaySpec, tasks []dlq.OperationTask) ([]dlq.DoorOption, error)
	Sample(steps []dlq.TransformStep, t dlq.OperationTask) dlq.TransformSample
}

// Desk does the acts of all kinds of operation but replay.
type Desk interface {
	Many(ctx context.Context, action string, ids []int64, a dlq.Act) ([]dlq.ActResult, error)
}

// Cluster says how the broker and the consumer groups stand.
type Cluster interface {
	Status() dlq.ClusterStatus
	Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error)
	Capabilities(ctx context.Context, broker string) (dlq.Capabilities, error)
}

// Deps are what a Manager works with. Now, Zone, Logger and Registerer may be nil; Zone is for replay windows that name
// none.
type Deps struct {
	Store      Store
	Replays    Replays
	Desk       Desk
	Cluster    Cluster
	Automation func() dlq.Automation       // the switch as it stands, for the global stop
	Policy     func() dlq.AutomationPolicy // of the rules in force, for the limits of age
	Now        func() time.Time
	Zone       *time.Location
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Manager makes, steers and runs operations. Its methods may be called at the same time.
type Manager struct {
	Deps
	metrics metrics
	making  turns

	mu     sync.Mutex
	base   context.Context // of Run; nil before and after it
	runs   map[int64]*run  // by the operation's number
	drifts map[int64]drift
	ends   sync.WaitGroup // the goroutines of runs
}

// New makes a Manager. Until Run is called operations can be made and steered, but none acts.
func New(d Deps) *Manager {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Zone == nil {
		d.Zone = time.Local
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{Deps: d, making: turns{taken: map[string]chan struct{}{}}, runs: map[int64]*run{}, drifts: map[int64]drift{}}
	m.metrics = newMetrics(m, d.Registerer)
	return m
}

func (m *Manager) now() time.Time { return m.Now().UTC() }

// Run takes over every operation that is neither a draft nor settled, and runs those that are started later, until ctx
// ends. It returns nil when all batches that were under way then have been settled.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	m.base = ctx
	m.mu.Unlock()
	defer m.ends.Wait()
	defer func() {
		m.mu.Lock()
		m.base = nil
		m.mu.Unlock()
	}()
	for wait := time.Second; ; wait = min(2*wait, maxBackOff) {
		active, err := m.Store.ActiveOperations(ctx)
		if err == nil {
			for _, o := range active {
				m.adopt(o)
			}
			break
		}
		if ctx.Err() == nil {
			m.Logger.Error("find the operations that are under way", "error", err)
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// adopt hands an operation as it was just saved to its run, and starts the run if there is none.
func (m *Manager) adopt(o dlq.Operation) {
	if o.State == dlq.OperationDraft {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.runs[o.Number]; r != nil {
		r.poke()
		return
	}
	if m.base == nil || m.base.Err() != nil || o.State == dlq.OperationSettled {
		return
	}
	r := newRun(m, o)
	m.runs[o.Number] = r
	ctx := m.base
	m.ends.Go(func() {
		r.loop(ctx)
		m.mu.Lock()
		delete(m.runs, o.Number)
		m.mu.Unlock()
	})
}

// Get returns an operation as it is at this moment: of one that acts, with its rate and when it will be done; of a draft,
// with how the world moved since its letters were chosen. The error is CodeNotFound for an id that nobody has.
func (m *Manager) Get(ctx context.Context, id string) (dlq.Operation, error) {
	o, err := m.Store.Operation(ctx, id)
	if err != nil {
		return o, err
	}
	if o.State == dlq.OperationDraft && o.Preview != nil {
		d, err := m.driftOf(ctx, o.Number)
		if err != nil {
			return o, err
		}
		o.Drift = &d
	}
	return m.live(o), nil
}

// List returns one page of operations, newest first, as Get shows them, save that the drift of drafts is left out.
func (m *Manager) List(ctx context.Context, f dlq.OperationFilter, cursor string, limit int) (dlq.OperationPage, error) {
	p, err := m.Store.Operations(ctx, f, cursor, limit)
	for i, o := range p.Items {
		p.Items[i] = m.live(o)
	}
	return p, err
}

// live adds what only the run of an operation knows.
func (m *Manager) live(o dlq.Operation) dlq.Operation {
	m.mu.Lock()
	r := m.runs[o.Number]
	m.mu.Unlock()
	if r != nil {
		r.show(&o, m.now())
	}
	return o
}

const driftKeeps = 2 * time.Second

type drift struct {
	dlq.OperationDrift
	read time.Time
}

// driftOf asks the store at most once in two seconds, however many watch a draft.
func (m *Manager) driftOf(ctx context.Context, number int64) (dlq.OperationDrift, error) {
	now := m.now()
	m.mu.Lock()
	for n, d := range m.drifts {
		if now.Sub(d.read) >= driftKeeps {
			delete(m.drifts, n)
		}
	}
	known, ok := m.drifts[number]
	m.mu.Unlock()
	if ok {
		return known.OperationDrift, nil
	}
	d, err := m.Store.DriftOf(ctx, number)
	if err == nil {
		m.mu.Lock()
		m.drifts[number] = drift{d, now}
		m.mu.Unlock()
	}
	return d, err
}

func (m *Manager) forgetDrift(number int64) {
	m.mu.Lock()
	delete(m.drifts, number)
	m.mu.Unlock()
}

// turns lets one at a time do something under a name.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{}
}

// take waits for a turn. The error is that of the context.
func (t *turns) take(ctx context.Context, name string) (release func(), err error) {
	for {
		t.mu.Lock()
		before, busy := t.taken[name]
		if !busy {
			mine := make(chan struct{})
			t.taken[name] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.taken, name)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
