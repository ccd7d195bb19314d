package alerts

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

const (
	// minSettled is how many replays of the last hour must be settled before their ratio says something.
	minSettled = 5
	// minArrivals is the same for the arrivals of the last hour and how many of them have no known reason.
	minArrivals = 10
	// staleTopic is how old the newest look at a topic may be. Topics are discovered every ten seconds.
	staleTopic = time.Minute
	// topReasons is how many reasons stand with an alert.
	topReasons = 3
)

// value is what one instance of a rule measures now.
type value struct {
	key     string            // tells it from the rule's other instances
	labels  map[string]string // those of `by`
	value   float64
	reasons []dlq.Facet
}

// label returns the value of a label, "" for one that is not there.
type label func(name string) string

// bucket collects what makes one value.
type bucket struct {
	labels     map[string]string
	total, off float64 // what is counted, and of how much
	least      float64
	any        bool
	reasons    map[string]int64
}

// buckets are those of one rule, by their labels.
type buckets struct {
	rule *rule
	all  map[string]*bucket
}

// of returns the bucket for these labels, nil when `where` does not let them through.
func (b *buckets) of(have label) *bucket { return b.find(have, true) }

// find is as of, but makes a bucket only if it is asked to.
func (b *buckets) find(have label, add bool) *bucket {
	for name, values := range b.rule.where {
		if !slices.Contains(values, have(name)) {
			return nil
		}
	}
	var key strings.Builder
	for _, name := range b.rule.by {
		key.WriteString(have(name))
		key.WriteByte(0)
	}
	if one := b.all[key.String()]; one != nil || !add {
		return one
	}
	labels := make(map[string]string, len(b.rule.by))
	for _, name := range b.rule.by {
		labels[name] = have(name)
	}
	one := &bucket{labels: labels, least: math.Inf(1), reasons: map[string]int64{}}
	b.all[key.String()] = one
	return one
}

// values turns the buckets into values in the order of their keys; read leaves out those that say nothing.
func (b *buckets) values(read func(*bucket) (float64, bool)) []value {
	var out []value
	for _, key := range slices.Sorted(maps.Keys(b.all)) {
		one := b.all[key]
		if v, ok := read(one); ok {
			out = append(out, value{key: key, labels: one.labels, value: v, reasons: one.top()})
		}
	}
	return out
}

// top returns the most frequent reasons.
func (b *bucket) top() []dlq.Facet {
	var out []dlq.Facet
	for reason, n := range b.reasons {
		if n > 0 {
			out = append(out, dlq.Facet{Value: reason, Count: n})
		}
	}
	slices.SortFunc(out, func(a, b dlq.Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), topReasons)]
}

// measure reads a rule's values out of the samples. The error says why they are not known, and is safe to show.
func measure(r *rule, s *samples) ([]value, error) {
	b := &buckets{rule: r, all: map[string]*bucket{}}
	switch r.signal.name {
	case signalOpen:
		return b.letters(s, func(l *dlq.LetterSignal) int64 { return l.Open })
	case signalArrivals:
		return b.letters(s, func(l *dlq.LetterSignal) int64 { return l.LastMinute })
	case signalOldest:
		return b.oldest(s)
	case signalExpiry:
		return b.expiry(s)
	case signalFailedAgain:
		return b.failedAgain(s)
	case signalUnclassified:
		return b.unclassified(s)
	case signalStalled:
		return b.stalled(s)
	case signalUnreachable:
		return b.unreachable(s)
	case signalRefused:
		b.of(nothing).any = s.refused
		return b.values(flag), nil
	case signalDisk:
		if s.disk.err != nil {
			return nil, unknown("the used part of the disk", s.disk.err)
		}
		b.of(nothing).total = s.disk.value
		return b.values(sum), nil
	}
	return nil, dlq.Errorf(dlq.CodeInternal, "there is no signal %q", r.signal.name)
}

func unknown(what string, err error) error {
	return dlq.Errorf(dlq.CodeUnavailable, "%s is not known: %w", what, err)
}

// nothing has no labels.
func nothing(string) string { return "" }

func sum(b *bucket) (float64, bool) { return b.total, true }

func least(b *bucket) (float64, bool) { return max(b.least, 0), !math.IsInf(b.least, 1) }

func flag(b *bucket) (float64, bool) {
	if b.any {
		return 1, true
	}
	return 0, true
}

// ratio is told of at least so many.
func ratio(atLeast float64) func(*bucket) (float64, bool) {
	return func(b *bucket) (float64, bool) {
		if b.off < atLeast {
			return 0, false
		}
		return b.total / b.off, true
	}
}

func labelsOfLetters(l *dlq.LetterSignal) label {
	return func(name string) string {
		switch name {
		case labelCluster:
			return l.Cluster
		case labelGroup:
			return l.ConsumerGroup
		case labelTopic:
			return l.Topic
		default:
			return l.Reason
		}
	}
}

func labelsOfGroup(cluster, group string) label {
	return func(name string) string {
		switch name {
		case labelCluster:
			return cluster
		case labelGroup:
			return group
		default:
			return ""
		}
	}
}

func (b *buckets) letters(s *samples, count func(*dlq.LetterSignal) int64) ([]value, error) {
	if s.letters.err != nil {
		return nil, unknown("how many letters there are", s.letters.err)
	}
	if len(b.rule.by) == 0 {
		b.whole() // none is a number, too
	}
	for i := range s.letters.value {
		l := &s.letters.value[i]
		if one := b.of(labelsOfLetters(l)); one != nil {
			n := count(l)
			one.total += float64(n)
			one.reasons[l.Reason] += n
		}
	}
	return b.values(sum), nil
}

// whole makes the one bucket of a rule without `by`.
func (b *buckets) whole() {
	b.all[""] = &bucket{labels: map[string]string{}, least: math.Inf(1), reasons: map[string]int64{}}
}

func (b *buckets) oldest(s *samples) ([]value, error) {
	found := s.oldest[oldestKey(b.rule.watched())]
	if found.err != nil {
		return nil, unknown("how old the oldest open letter is", found.err)
	}
	least := map[*bucket]time.Time{}
	for i := range found.value {
		o := &found.value[i]
		one := b.of(func(name string) string { return o.Labels[name] })
		if one == nil {
			continue
		}
		if first, have := least[one]; !have || o.DiedAt.Before(first) {
			least[one] = o.DiedAt
			one.total = max(s.at.Sub(o.DiedAt).Seconds(), 0)
		}
	}
	for i := range s.letters.value { // what it is about; without them the age still counts
		l := &s.letters.value[i]
		if one := b.find(labelsOfLetters(l), false); one != nil {
			one.reasons[l.Reason] += l.Open
		}
	}
	return b.values(sum), nil
}

func (b *buckets) expiry(s *samples) ([]value, error) {
	if s.topics.err != nil {
		return nil, unknown("what the brokers hold", s.topics.err)
	}
	for i := range s.topics.value {
		t := &s.topics.value[i]
		if t.Unread == 0 || t.ExpiresAt == nil {
			continue
		}
		if one := b.of(labelsOfGroup(t.Cluster, t.ConsumerGroup)); one != nil {
			one.least = min(one.least, t.ExpiresAt.Sub(s.at).Seconds())
		}
	}
	return b.values(least), nil
}

func (b *buckets) failedAgain(s *samples) ([]value, error) {
	if s.replays.err != nil {
		return nil, unknown("what became of the replays", s.replays.err)
	}
	for i := range s.replays.value {
		r := &s.replays.value[i]
		if one := b.of(labelsOfGroup(r.Cluster, r.ConsumerGroup)); one != nil {
			one.total += float64(r.FailedAgain)
			one.off += float64(r.Settled)
		}
	}
	return b.values(ratio(minSettled)), nil
}

func (b *buckets) unclassified(s *samples) ([]value, error) {
	if s.letters.err != nil {
		return nil, unknown("how many letters arrived", s.letters.err)
	}
	for i := range s.letters.value {
		l := &s.letters.value[i]
		if one := b.of(labelsOfGroup(l.Cluster, l.ConsumerGroup)); one != nil {
			one.off += float64(l.LastHour)
			if l.Reason == dlq.ReasonUnknown {
				one.total += float64(l.LastHour)
			}
		}
	}
	return b.values(ratio(minArrivals)), nil
}

// stalled is so while a topic that has unread messages cannot be read or its messages cannot be stored, or a topic was
// not looked at for a while. Of a cluster that cannot be reached nobody expects it to go on: broker_unreachable says that.
func (b *buckets) stalled(s *samples) ([]value, error) {
	if !s.status.Reachable && asked(&s.status) {
		return nil, dlq.Errorf(dlq.CodeUnavailable, "whether intake is stalled is not known: the cluster cannot be reached")
	}
	if s.topics.err != nil {
		return nil, unknown("what the brokers hold", s.topics.err)
	}
	if len(b.rule.by) == 0 && len(b.rule.where) == 0 {
		b.whole()
		b.all[""].any = s.stalled
	}
	for i := range s.topics.value {
		t := &s.topics.value[i]
		one := b.of(labelsOfGroup(t.Cluster, t.ConsumerGroup))
		if one == nil || !t.Readable {
			continue
		}
		if t.Unread > 0 && (t.LastError != "" || s.stalled) || s.at.Sub(t.CheckedAt) > staleTopic {
			one.any = true
		}
	}
	return b.values(flag), nil
}

// asked reports whether the cluster was asked at all: no name server is set, or the first answer is still to come.
func asked(c *dlq.ClusterStatus) bool {
	return c.Since != nil && (len(c.NameServers) > 0 || c.Simulated)
}

func (b *buckets) unreachable(s *samples) ([]value, error) {
	if len(s.status.NameServers) > 0 && s.status.Since == nil {
		return nil, dlq.Errorf(dlq.CodeUnavailable, "the cluster was not asked yet")
	}
	if one := b.of(labelsOfGroup(s.status.Cluster, "")); one != nil {
		one.any = !s.status.Reachable && asked(&s.status)
	}
	return b.values(flag), nil
}
