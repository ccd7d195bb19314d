package simulated

import (
	"context"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// retention is how long a real broker would keep what is stored; nothing is deleted here.
const retention = 72 * time.Hour

// Topics lists the dead-letter queues.
func (b *Broker) Topics(context.Context) ([]dlq.TopicInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return nil, err
	}
	var out []dlq.TopicInfo
	for _, name := range sortedKeys(b.topics) {
		if !strings.HasPrefix(name, dlq.DLQPrefix) {
			continue
		}
		t := b.topics[name]
		info := dlq.TopicInfo{
			Queue: b.queue(name), ConsumerGroup: strings.TrimPrefix(name, dlq.DLQPrefix), Perm: dlq.PermRead | dlq.PermWrite, Readable: true,
			Max: int64(len(t.log)), Next: b.read[name], CheckedAt: b.now(),
		}
		if info.Unread = max(0, info.Max-info.Next); info.Unread > 0 {
			at := t.log[info.Next].at
			until := at.Add(retention)
			info.OldestUnread, info.ExpiresAt = &at, &until
		}
		out = append(out, info)
	}
	return out, nil
}

// Repair does nothing: the stand-in makes no write-only topics. The error is dlq.CodeNotFound for a topic it has not.
func (b *Broker) Repair(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return err
	}
	if _, ok := b.topics[name]; !ok {
		return dlq.Errorf(dlq.CodeNotFound, "there is no topic %s", name)
	}
	return nil
}

// Group tells of a consumer group.
func (b *Broker) Group(_ context.Context, name string, _ *dlq.DeadMessage) (dlq.GroupInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return dlq.GroupInfo{}, err
	}
	g, ok := b.groups[name]
	if !ok {
		return dlq.GroupInfo{Name: name, Kind: dlq.GroupUnknown, Lag: -1, MaxRetry: -1}, nil
	}
	seen := g.seen
	info := dlq.GroupInfo{
		Name: name, Exists: true, Kind: g.Kind, KindWhy: "simulated", Online: g.online, LastSeen: &seen,
		Topics: slices.Clone(g.Topics), MaxRetry: g.MaxRetry,
	}
	for _, t := range g.reads() {
		if have, ok := b.topics[t]; ok {
			info.Lag += int64(len(have.log)) - g.committed[t]
		}
	}
	if g.online {
		info.Clients = []dlq.GroupClient{{ID: clientOf(name), Address: "127.0.0.1:50000", Language: language, Version: b.opt.Version}}
	}
	return info, nil
}

// Capabilities tells what a broker of the version would do.
func (b *Broker) Capabilities(context.Context, string) (dlq.Capabilities, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return dlq.Capabilities{}, err
	}
	major := parseMajor(b.opt.Version)
	c := dlq.Capabilities{Broker: b.name, Version: b.opt.Version, Major: major, Levels: defaultLevels(), Keeps: dlq.Duration(retention)}
	if major >= 5 {
		c.Timer, c.TimerMax, c.OrderlyDiverts, c.RefusesEmpty = true, dlq.Duration(72*time.Hour), true, true
	}
	return c, nil
}

// Subscribers lists the groups that read a topic. The error is dlq.CodeNotFound for a topic that it has not.
func (b *Broker) Subscribers(_ context.Context, name string) (groups []string, complete bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return nil, false, err
	}
	if _, ok := b.topics[name]; !ok {
		return nil, false, dlq.Errorf(dlq.CodeNotFound, "there is no topic %s", name)
	}
	for _, g := range sortedKeys(b.groups) {
		if slices.Contains(b.groups[g].Topics, name) {
			groups = append(groups, g)
		}
	}
	return groups, true, nil
}
