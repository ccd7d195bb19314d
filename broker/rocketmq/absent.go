package rocketmq

import (
	"context"
	"maps"
	"slices"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// locate returns the brokers that hold a topic, also those that are away. It returns none only when that is sure: what was
// known of the cluster may be from before a broker came back, and name servers forget the topics of one that left.
func (b *Broker) locate(ctx context.Context, topic, holder string) ([]string, error) {
	names, err := b.mastersOf(ctx, topic)
	if err != nil || len(names) > 0 {
		return names, err
	}
	if _, lost, err := b.complete(ctx, holder); err != nil {
		return nil, err
	} else if len(lost) > 0 {
		return nil, dlq.Errorf(dlq.CodeUnavailable, "no broker that the name server knows holds the topic %s, and %s", topic, areAway(lost))
	}
	fresh, err := b.holders(ctx, topic)
	return fresh.names, err
}

// isKnown reports whether a broker knows a consumer group, and which brokers did not tell. Before it says no it asks them
// all anew, for what was known of the cluster may be from before a broker came back.
func (b *Broker) isKnown(ctx context.Context, c *cluster, p presence, group, holder string) (known bool, away []string, err error) {
	if p.configured || p.online || c.topics[dlq.RetryPrefix+group] {
		return true, p.away, nil
	}
	brokers, lost, err := b.complete(ctx, holder)
	if err != nil {
		return false, nil, err
	}
	route, err := b.holders(ctx, dlq.RetryPrefix+group)
	if err != nil || len(route.names) > 0 {
		return len(route.names) > 0, p.away, err
	}
	b.mu.Lock()
	delete(b.presences, group)
	for _, d := range brokers {
		delete(b.tables, d.Master())
	}
	b.mu.Unlock()
	p, err = b.presence(ctx, &cluster{brokers: brokers}, group)
	away = append(slices.Clip(p.away), lost...)
	slices.Sort(away)
	return p.configured || p.online, slices.Compact(away), err
}

// complete returns all brokers as the name server knows them now, and the names of those that it should know: that had a
// master not long ago, or that are said to hold something. Name servers forget a broker that is away, and with it its topics
// and consumer groups, which are no less for that.
func (b *Broker) complete(ctx context.Context, holder string) (all map[string]remoting.BrokerData, lost []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askPatience)
	defer cancel()
	info, err := b.wire.ClusterInfo(ctx, b.names) // as it is now: the last round may be older than the answer in question
	if err != nil {
		return nil, nil, dlq.Errorf(dlq.CodeUnavailable, "no name server answers (%s): %w", b.names, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	names := map[string]bool{}
	for name, at := range b.met {
		names[name] = b.now().Sub(at) < metStays
	}
	if holder != "" {
		names[holder] = true
	}
	for name, wanted := range names {
		if wanted && info.Brokers[name].Master() == "" {
			lost = append(lost, name)
		}
	}
	slices.Sort(lost)
	return info.Brokers, lost, nil
}

// takeServed remembers which brokers held a topic, for a name server forgets it with the broker. The caller holds the lock.
func (b *Broker) takeServed(topic string, h holders) {
	if len(h.names) > 0 && b.served[topic] == nil {
		b.served[topic] = map[string]time.Time{}
	}
	for _, name := range h.names {
		b.served[topic][name] = h.at
	}
	for topic, at := range b.served {
		maps.DeleteFunc(at, func(_ string, last time.Time) bool { return h.at.Sub(last) >= metStays })
		if len(at) == 0 {
			delete(b.served, topic)
		}
	}
}

// left returns brokers that held a consumer group's retry or dead-letter topic at or after an instant, and are not
// registered any more: a copy of what was sent before they left may be there.
func (b *Broker) left(c *cluster, group string, since time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := map[string]bool{}
	for _, topic := range []string{dlq.RetryPrefix + group, dlq.DLQPrefix + group} {
		for name, last := range b.served[topic] {
			if c.brokers[name].Master() == "" && !last.Before(since) {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// metStays is for how long a broker that is away is waited for: after that it is taken for one that was given up.
const metStays = time.Hour
