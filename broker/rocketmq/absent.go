package rocketmq

import (
	"context"
	"maps"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// locate returns the brokers that hold a topic. It returns none only when that is sure: what was known of the cluster may be
// from before a broker came back.
func (b *Broker) locate(ctx context.Context, topic, holder string) ([]string, error) {
	names, err := b.mastersOf(ctx, topic)
	if err != nil || len(names) > 0 {
		return names, err
	}
	if _, err := b.complete(ctx, holder); err != nil {
		return nil, err
	}
	fresh, err := b.holders(ctx, topic)
	return fresh.names, err
}

// isKnown reports whether a broker knows a consumer group. Before it says no it asks them all anew, for what was known of
// the cluster may be from before a broker came back.
func (b *Broker) isKnown(ctx context.Context, c *cluster, p presence, group, holder string) (bool, error) {
	if p.configured || p.online || c.topics[dlq.RetryPrefix+group] {
		return true, nil
	}
	brokers, err := b.complete(ctx, holder)
	if err != nil {
		return false, err
	}
	route, err := b.holders(ctx, dlq.RetryPrefix+group)
	if err != nil || len(route.names) > 0 {
		return len(route.names) > 0, err
	}
	b.mu.Lock()
	delete(b.presences, group)
	for _, d := range brokers {
		delete(b.tables, d.Master())
	}
	b.mu.Unlock()
	p, err = b.presence(ctx, &cluster{brokers: brokers}, group)
	return p.configured || p.online, err
}

// complete returns all brokers that have a master, and fails while one is away that was there not long ago, or that is said
// to hold something: name servers forget a broker that is away, and with it its topics and consumer groups, which are no
// less for that.
func (b *Broker) complete(ctx context.Context, holder string) (map[string]remoting.BrokerData, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askPatience)
	defer cancel()
	info, err := b.wire.ClusterInfo(ctx, b.names) // as it is now: the last round may be older than the answer in question
	if err != nil {
		return nil, dlq.Errorf(dlq.CodeUnavailable, "no name server answers (%s): %w", b.names, err)
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
			return nil, dlq.Errorf(dlq.CodeUnavailable, "the broker %s is away, and what it holds is not known to the name server", name)
		}
	}
	maps.DeleteFunc(info.Brokers, func(_ string, d remoting.BrokerData) bool { return d.Master() == "" })
	return info.Brokers, nil
}

// metStays is for how long a broker that is away is waited for: after that it is taken for one that was given up.
const metStays = time.Hour
