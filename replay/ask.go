package replay

import (
	"context"
	"maps"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// answers is what the cluster says about one dead message.
type answers struct {
	group        dlq.GroupInfo
	broker       dlq.Capabilities
	receivers    []string
	complete     bool
	topicMissing bool
	topicAway    bool   // no broker that holds the topic answers
	via          string // broker that takes a send to the retry topic; "" when there is none that answers
	holder       error  // why the broker with the dead copy cannot be asked; nil when it answers
	firstKept    int64  // lowest offset of its dead-letter queue that the broker still has
	err          error
}

// answersStay bounds how often the cluster is asked the same: many letters of one consumer group are replayed at once,
// and every answer costs several requests to every broker.
const answersStay = 2 * time.Second

// asker asks the cluster, and keeps its answers for a moment.
type asker struct {
	cluster Cluster
	now     func() time.Time

	mu    sync.Mutex
	known map[askKey]*asked
}

// askKey is a question: about a consumer group and a topic, and the broker that has the dead copy.
type askKey struct{ group, broker, topic string }

// asked is a question under way, or its answer.
type asked struct {
	done    chan struct{} // closed with the answer
	until   time.Time     // while the answer holds; zero until it is there
	answers answers
}

// about answers from what was asked a moment ago, waits for somebody who is asking the same, or asks.
func (k *asker) about(ctx context.Context, key askKey, m *dlq.DeadMessage) answers {
	now := k.now()
	k.mu.Lock()
	q := k.known[key]
	if q == nil || !q.until.IsZero() && !now.Before(q.until) {
		maps.DeleteFunc(k.known, func(_ askKey, old *asked) bool { return !old.until.IsZero() && !now.Before(old.until) })
		q = &asked{done: make(chan struct{})}
		k.known[key] = q
		k.mu.Unlock()
		// Others wait for this answer, so it does not end with its first asker.
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
		q.answers = k.ask(asking, key, m)
		cancel()
		k.mu.Lock()
		q.until = k.now()
		if q.answers.err == nil {
			q.until = q.until.Add(answersStay)
		}
		k.mu.Unlock()
		close(q.done)
		return q.answers
	}
	k.mu.Unlock()
	select {
	case <-q.done:
		return q.answers
	case <-ctx.Done():
		return answers{err: dlq.Errorf(dlq.CodeUnavailable, "the broker did not answer in time: %w", ctx.Err())}
	}
}

func (k *asker) ask(ctx context.Context, key askKey, m *dlq.DeadMessage) (a answers) {
	a.group.Name = key.group
	sign := m
	if m.ConsumerGroup != key.group {
		sign = nil // a dead message tells the kind of its own consumer group only
	}
	group, err := k.cluster.Group(ctx, key.group, sign)
	if err != nil {
		a.err = err
		return a
	}
	a.group = group
	if a.broker, a.via, a.holder, a.err = k.taker(ctx, key.broker, group.Serving); a.err != nil {
		return a
	}
	if key.topic != "" {
		a.receivers, a.complete, err = k.cluster.Subscribers(ctx, key.topic)
		switch {
		case dlq.CodeOf(err) == dlq.CodeNotFound:
			a.topicMissing, a.receivers, a.complete = true, nil, true
		case dlq.CodeOf(err) == dlq.CodeUnavailable:
			a.topicAway, a.receivers, a.complete = true, nil, false
		case err != nil:
			a.receivers, a.complete = nil, false // only door A needs it, and says so
		}
	}
	topics, err := k.cluster.Topics(ctx)
	if err == nil {
		for _, t := range topics {
			if t.Queue == m.Queue {
				a.firstKept = t.Min
			}
		}
	}
	return a
}

// taker finds the broker that takes a send to the retry topic, and what it can do: the one that has the dead copy or, while
// that is away, another from which the group reads. Where there is none, the abilities are those of any broker that answers.
func (k *asker) taker(ctx context.Context, holder string, serving []string) (c dlq.Capabilities, via string, away, err error) {
	c, err = k.cluster.Capabilities(ctx, holder)
	if dlq.CodeOf(err) != dlq.CodeUnavailable {
		return c, holder, nil, err
	}
	away = err
	for _, name := range serving {
		if c, err = k.cluster.Capabilities(ctx, name); err == nil {
			return c, name, away, nil
		}
	}
	if c, err = k.cluster.Capabilities(ctx, ""); err != nil {
		err = away
	}
	return c, "", away, err
}
