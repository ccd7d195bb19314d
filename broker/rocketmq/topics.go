package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// requestEarliestStoreTime asks when the oldest message of a queue was stored; topics that may not be read are no
// exception (RequestCode.GET_EARLIEST_MSG_STORETIME, the same in 4.9 and 5.x).
const requestEarliestStoreTime = 32

// expiringHorizon is how far ahead dlq_messages_expiring looks.
const expiringHorizon = 12 * time.Hour

// age is what is known of the oldest unread message of a queue.
type age struct {
	offset   int64 // of that message
	storedAt time.Time
}

// Topics lists the queues of all %DLQ% topics: what the brokers hold and how far it is read. The list is at most two
// discovery intervals old; while the cluster is away it is the last one known, and CheckedAt says from when.
func (b *Broker) Topics(ctx context.Context) ([]dlq.TopicInfo, error) {
	c, err := b.present(ctx)
	if err != nil {
		b.mu.Lock()
		c = b.cluster
		b.mu.Unlock()
		if c == nil {
			return nil, err
		}
	}
	infos := make([]dlq.TopicInfo, len(c.queues))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for i, f := range c.queues {
		g.Go(func() error {
			infos[i] = b.topicInfo(gctx, c, f)
			return nil
		})
	}
	g.Wait()
	return infos, ctx.Err()
}

func (b *Broker) topicInfo(ctx context.Context, c *cluster, f found) dlq.TopicInfo {
	info := dlq.TopicInfo{
		Queue: f.queue, ConsumerGroup: f.queue.ConsumerGroup(), Perm: f.perm, Readable: f.perm&remoting.PermRead != 0,
		Min: f.min, Max: f.max, CheckedAt: c.at,
	}
	b.mu.Lock()
	run := b.readers[f.queue]
	b.mu.Unlock()
	var failed error
	if run != nil {
		p := run.progress()
		info.Next, failed = p.next, readError(f.queue, b.opt.Group, p.failed)
	}
	switch {
	case !info.Readable:
		failed = permissionError(f.queue.Topic)
	case f.failed != nil && (failed == nil || silent(f.failed)):
		if failed = b.awayError(c, f.queue.Broker); failed == nil {
			failed = readError(f.queue, b.opt.Group, f.failed)
		}
	}
	if failed != nil {
		info.LastError = dlq.SentenceOf(failed, noWords)
	}
	info.Unread = max(f.max-max(info.Next, f.min), 0)
	if info.Unread > 0 {
		// The age of what is unread is an extra; a broker that does not tell it has its error in LastError already.
		if a, err := b.oldestUnread(ctx, f, info.Next); err == nil && !a.storedAt.IsZero() {
			info.OldestUnread = &a.storedAt
			if keep, err := b.retention(ctx, f.queue.Broker); err == nil && keep > 0 {
				at := a.storedAt.Add(keep)
				info.ExpiresAt = &at
			}
		}
	}
	return info
}

// oldestUnread tells when the first message at or after an offset was stored.
func (b *Broker) oldestUnread(ctx context.Context, f found, next int64) (age, error) {
	offset := max(next, f.min)
	b.mu.Lock()
	have, ok := b.ages[f.queue]
	b.mu.Unlock()
	if ok && have.offset == offset {
		return have, nil
	}
	addr, err := b.master(f.queue.Broker)
	if err != nil {
		return age{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	a := age{offset: offset}
	if offset == f.min {
		a.storedAt, err = b.earliest(ctx, addr, f.queue)
	} else {
		var res remoting.PullResult
		res, err = b.wire.Pull(ctx, addr, remoting.PullRequest{Group: b.opt.Group, Topic: f.queue.Topic, Queue: f.queue.Number, Offset: offset, Max: 1})
		if len(res.Messages) > 0 {
			a.storedAt, err = res.Messages[0].StoredAt, nil
		}
	}
	if err != nil {
		return age{}, err
	}
	b.mu.Lock()
	b.ages[f.queue] = a
	b.mu.Unlock()
	return a, nil
}

func (b *Broker) earliest(ctx context.Context, addr string, q dlq.Queue) (time.Time, error) {
	ans, err := b.wire.Do(ctx, addr, &remoting.Command{Code: requestEarliestStoreTime, Ext: map[string]string{"topic": q.Topic, "queueId": strconv.Itoa(q.Number)}})
	if err == nil {
		err = ans.Err()
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the oldest message: %w", err)
	}
	ms, err := strconv.ParseInt(ans.Ext["timestamp"], 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}, fmt.Errorf("the oldest message has the store time %q", ans.Ext["timestamp"])
	}
	return time.UnixMilli(ms).UTC(), nil
}

// retention tells how long a broker keeps messages at the least, unless its disk runs full: whole commit-log files go
// when nothing was written to them for fileReservedTime (DefaultMessageStore.CleanCommitLogService).
func (b *Broker) retention(ctx context.Context, broker string) (time.Duration, error) {
	traits, err := b.traits(ctx, broker)
	return time.Duration(traits.Keeps), err
}

// expiring counts the unread messages of a queue that the broker may delete within a span of time.
func (b *Broker) expiring(ctx context.Context, info dlq.TopicInfo, within time.Duration) (int64, error) {
	if info.ExpiresAt == nil || info.ExpiresAt.Sub(b.now()) > within {
		return 0, nil
	}
	addr, err := b.master(info.Broker)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	keep := info.ExpiresAt.Sub(*info.OldestUnread)
	to, err := b.wire.SearchOffset(ctx, addr, info.Topic, info.Number, b.now().Add(within-keep))
	if err != nil {
		return 0, fmt.Errorf("search the first message that stays: %w", err)
	}
	return min(max(to-max(info.Next, info.Min), 0), info.Unread), nil
}

// Repair makes a %DLQ% topic readable (permission 6) on every master that holds it, and keeps all else of its
// configuration. Brokers that are away are in the error, and hold up none of the others. Brokers up to 4.9.1 create these topics write-only, and an upgrade does not change them.
func (b *Broker) Repair(ctx context.Context, topic string) error {
	if !strings.HasPrefix(topic, dlq.DLQPrefix) {
		return dlq.Errorf(dlq.CodeInvalid, "%s is not a dead-letter topic", topic)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*askPatience)
	defer cancel()
	route, err := b.wire.Route(ctx, b.names, topic)
	if remoting.IsCode(err, remoting.AnswerTopicMissing) {
		return dlq.Errorf(dlq.CodeNotFound, "there is no topic %s", topic)
	}
	if err != nil {
		return dlq.Errorf(dlq.CodeUnavailable, "a name server does not tell where the topic %s lies: %w", topic, err)
	}
	masters := map[string]string{}
	var errs []error
	for _, d := range route.Brokers {
		if d.Master() == "" {
			errs = append(errs, dlq.Errorf(dlq.CodeUnavailable, "the broker %s has no master now", d.Name).WithHint("repair the topic when the master is back"))
			continue
		}
		masters[d.Name] = d.Master()
	}
	for _, name := range slices.Sorted(maps.Keys(masters)) {
		if err := b.repairOn(ctx, masters[name], topic); err != nil {
			errs = append(errs, unreachable(name, "to change the topic "+topic, err))
		}
	}
	b.soon()
	return errors.Join(errs...)
}

func (b *Broker) repairOn(ctx context.Context, addr, topic string) error {
	cfg, err := b.wire.TopicConfig(ctx, addr, topic)
	if err != nil {
		return err
	}
	if cfg.Perm == remoting.PermRead|remoting.PermWrite {
		return nil
	}
	cfg.Perm = remoting.PermRead | remoting.PermWrite
	cfg.ReadQueues = max(cfg.ReadQueues, cfg.WriteQueues, 1)
	cfg.WriteQueues = max(cfg.WriteQueues, 1)
	return b.wire.UpdateTopic(ctx, addr, cfg)
}

// soon asks Run for a discovery round at once.
func (b *Broker) soon() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}
