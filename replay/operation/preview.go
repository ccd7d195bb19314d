package operation

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

const (
	maxExamined  = 1000
	maxSamples   = 3
	maxConsumers = 50 // consumer groups that the broker is asked about
	consumerAsk  = 5 * time.Second
)

// preview finds out what an operation would do.
func (m *Manager) preview(ctx context.Context, o dlq.Operation) (dlq.OperationPreview, error) {
	p, err := m.Store.OperationFacts(ctx, o.Number, m.keeps(ctx))
	if err != nil {
		return p, err
	}
	if p.Skipped == nil {
		p.Skipped = map[string]int64{}
	}
	p.Doors, p.Consumers = []dlq.DoorPreview{}, []dlq.ConsumerPreview{}
	if spec := o.Spec.Replay; o.Kind == dlq.OperationReplay {
		if p.Stale, err = m.Store.StaleItems(ctx, o.Number, m.Policy(), m.now()); err != nil {
			return p, err
		}
		for why, n := range map[string]int64{
			dlq.SkipQuarantined: choose(spec.IncludeQuarantined, 0, p.Quarantined),
			dlq.SkipStale:       choose(spec.IncludeStale, 0, p.Stale),
		} {
			if n > 0 {
				p.Skipped[why] = n
			}
		}
		if err := m.examine(ctx, o, &p); err != nil {
			return p, err
		}
	}
	p.Eligible = p.Letters
	for _, n := range p.Skipped {
		p.Eligible = max(0, p.Eligible-n) // a letter that is stale and quarantined stands in both
	}
	m.estimate(o, &p)
	return p, nil
}

// keeps returns a function that asks a broker how long it keeps messages; 0 for one that does not answer.
func (m *Manager) keeps(ctx context.Context) func(string) time.Duration {
	return func(broker string) time.Duration {
		ctx, cancel := context.WithTimeout(ctx, consumerAsk)
		defer cancel()
		c, err := m.Cluster.Capabilities(ctx, broker)
		if err != nil {
			return 0 // that the broker is away is told with the doors
		}
		return time.Duration(c.Keeps)
	}
}

func choose[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// examination is what is found out letter by letter.
type examination struct {
	*Manager
	spec    dlq.ReplaySpec
	p       *dlq.OperationPreview
	doors   map[doorKey]*dlq.DoorPreview
	samples map[string]*dlq.DeadMessage // one message of each consumer group
}

type doorKey struct {
	group, why, target, receivers, warnings string
	door                                    dlq.Door
}

// examine looks at the first letters of each consumer group one by one, and asks the broker about the groups.
func (m *Manager) examine(ctx context.Context, o dlq.Operation, p *dlq.OperationPreview) error {
	work, err := m.Store.OperationWork(ctx, o.Number)
	if err != nil {
		return err
	}
	x := &examination{Manager: m, spec: *o.Spec.Replay, p: p, doors: map[doorKey]*dlq.DoorPreview{}, samples: map[string]*dlq.DeadMessage{}}
	groups := byWork(work)
	for i, group := range groups {
		share := (maxExamined - int(p.Examined)) / (len(groups) - i)
		if share == 0 {
			continue
		}
		tasks, err := m.Store.OperationTasks(ctx, o.Number, group, 0, 0, share, false)
		if err != nil {
			return err
		}
		p.Examined += int64(len(tasks))
		for len(tasks) > 0 {
			n := portion(tasks)
			if err := x.look(ctx, tasks[:n]); err != nil {
				return err
			}
			tasks = tasks[n:]
		}
	}
	for _, d := range x.doors {
		p.Doors = append(p.Doors, *d)
	}
	slices.SortFunc(p.Doors, func(a, b dlq.DoorPreview) int {
		if a.Letters != b.Letters {
			return int(b.Letters - a.Letters)
		}
		return strings.Compare(a.ConsumerGroup+string(a.Door)+a.Why, b.ConsumerGroup+string(b.Door)+b.Why)
	})
	x.consumers(ctx, groups, work)
	return nil
}

// byWork returns consumer groups, those with the fewest letters first: what they do not need of the examination is left
// for the others.
func byWork(work map[string]int64) []string {
	groups := make([]string, 0, len(work))
	for g := range work {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b string) int {
		if work[a] != work[b] {
			return int(work[a] - work[b])
		}
		return strings.Compare(a, b)
	})
	return groups
}

// portion is how many tasks are looked at at once: large bodies make it small.
func portion(tasks []dlq.OperationTask) int {
	size := 0
	for i, t := range tasks {
		if t.Letter != nil {
			size += t.Letter.Size
		}
		if i > 0 && size > bytesAhead || i == maxBatch {
			return i
		}
	}
	return len(tasks)
}

// look examines some letters of one consumer group.
func (x *examination) look(ctx context.Context, tasks []dlq.OperationTask) error {
	ids := make([]int64, len(tasks))
	for i, t := range tasks {
		ids[i] = t.LetterID
	}
	messages, err := x.Store.Messages(ctx, ids)
	if err != nil {
		return err
	}
	var letters []dlq.Letter
	var whole []dlq.OperationTask
	for _, t := range tasks {
		m, ok := messages[t.LetterID]
		if t.Letter == nil || !ok {
			continue
		}
		t.Message = &m
		letters, whole = append(letters, *t.Letter), append(whole, t)
		if m.ShardingKey() != "" {
			x.p.OrderRisk++
		}
		if x.samples[t.Letter.ConsumerGroup] == nil {
			x.samples[t.Letter.ConsumerGroup] = &m
		}
	}
	later, err := x.Store.LaterConfirmed(ctx, letters)
	if err != nil {
		return err
	}
	x.p.Duplicates += int64(len(later))
	doors, err := x.Replays.Doors(ctx, x.spec, whole) // as far as they are known
	switch {
	case err != nil && (dlq.CodeOf(err) == dlq.CodeInvalid || len(doors) != len(whole)):
		return err
	case err != nil:
		x.p.BrokerError = dlq.SentenceOf(err, dlq.Unexpected)
	}
	for i := range whole {
		t, d := &whole[i], doors[i]
		x.door(t, d)
		x.sample(t)
		// What is skipped for another reason is counted there, and a broker that is away comes back.
		if !d.Allowed && d.Why != waitsBroker && x.eligible(t.Letter) {
			x.p.Skipped[d.Why]++
		}
	}
	return nil
}

// door counts a letter under the door that it would take.
func (x *examination) door(t *dlq.OperationTask, d dlq.DoorOption) {
	k := doorKey{t.Letter.ConsumerGroup, d.Why, d.Target, strings.Join(d.Receivers, "\n"), strings.Join(d.Warnings, "\n"), d.Door}
	if !d.Allowed {
		k.door = ""
	}
	have := x.doors[k]
	if have == nil {
		have = &dlq.DoorPreview{
			ConsumerGroup: k.group, Door: k.door, Why: d.Why, Target: d.Target, Complete: d.Complete,
			Receivers: append([]string{}, d.Receivers...), Warnings: append([]string{}, d.Warnings...),
		}
		x.doors[k] = have
	}
	have.Letters++
}

// sample tries the transform on a letter, and keeps the first results, the first failure among them.
func (x *examination) sample(t *dlq.OperationTask) {
	if len(x.spec.Transform) == 0 {
		return
	}
	s := x.Replays.Sample(x.spec.Transform, *t)
	bad := s.Error != ""
	if bad {
		x.p.TransformErrors++
	}
	switch {
	case len(x.p.Samples) < maxSamples:
		x.p.Samples = append(x.p.Samples, s)
	case bad && x.p.TransformErrors == 1:
		x.p.Samples[maxSamples-1] = s
	}
}

func (x *examination) eligible(l *dlq.Letter) bool {
	return dlq.MayStart(dlq.TriggerClaim, l.State) && why(l, &x.spec, x.Policy(), x.now()) == ""
}

// consumers asks the broker how the consumer groups with the most letters stand.
func (x *examination) consumers(ctx context.Context, groups []string, work map[string]int64) {
	if s := x.Cluster.Status(); !s.Reachable && x.p.BrokerError == "" {
		x.p.BrokerError = s.Error
	}
	slices.Reverse(groups)
	list := make([]dlq.ConsumerPreview, min(len(groups), maxConsumers))
	ctx, cancel := context.WithTimeout(ctx, consumerAsk)
	defer cancel()
	var asks sync.WaitGroup
	for i := range list {
		c, group := &list[i], groups[i]
		c.Letters, c.Group.Name = work[group], group
		asks.Go(func() {
			info, err := x.Cluster.Group(ctx, group, x.samples[group])
			if err != nil {
				c.Error = dlq.SentenceOf(err, dlq.Unexpected)
				return
			}
			c.Group = info
		})
	}
	asks.Wait()
	x.p.Consumers = list
}

// estimate says how fast the pace lets an operation go, and how long it takes at the least.
func (m *Manager) estimate(o dlq.Operation, p *dlq.OperationPreview) {
	pace, groups := o.Spec.Pace, float64(max(1, len(p.Groups)))
	if pace.Rate > 0 {
		p.SendsPerSecond = pace.Rate * groups
		for _, g := range p.Groups {
			p.DurationEstimate = max(p.DurationEstimate, dlq.Duration(lasts(pace, g.Count)))
		}
	}
	if s := o.Spec.Replay; s != nil && s.Spread > 0 {
		if per := float64(p.Letters) / time.Duration(s.Spread).Seconds(); pace.Rate == 0 || per < p.SendsPerSecond {
			p.SendsPerSecond = per
		}
		p.DurationEstimate = max(p.DurationEstimate, s.Spread)
	}
	p.DurationEstimate = dlq.Duration(time.Duration(p.DurationEstimate).Round(time.Second))
}
