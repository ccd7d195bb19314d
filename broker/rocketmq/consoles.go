package rocketmq

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// consoleGroup is the group under which consoles are connected as producers that send nothing. Brokers keep who is connected
// in memory only, and drop it with the connection.
const consoleGroup = "dlq-console-presence"

// marked is which client id a console is registered with at a broker.
type marked struct {
	mu sync.Mutex
	as map[string]string // by address of the broker
}

// Announce tells all brokers that this console is there and whether it acts by itself, and returns the other consoles that
// they know. It registers before it asks, so that of two that do both at least one sees the other.
//
// dlq.CodeUnavailable means that no broker could be asked; dlq.CodeNotSupported that a broker refuses the marker or does not
// show it: then consoles cannot see each other there.
func (b *Broker) Announce(ctx context.Context, self dlq.Console) ([]dlq.Console, error) {
	c, err := b.present(ctx)
	if err != nil {
		return nil, err
	}
	masters, away := b.split(c, slices.Sorted(maps.Keys(c.brokers)))
	if len(masters) == 0 {
		return nil, allAway("nobody tells of other consoles", away)
	}
	b.marked.mu.Lock()
	defer b.marked.mu.Unlock()
	id, found := markOfConsole(self), map[string]dlq.Console{}
	var mu sync.Mutex
	errs := make([]error, len(masters))
	var g errgroup.Group
	g.SetLimit(askAtOnce)
	for i, name := range masters {
		addr, before := c.brokers[name].Master(), b.marked.as[c.brokers[name].Master()]
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askPatience)
			defer cancel()
			list, err := b.mark(ctx, addr, before, id)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				b.marked.as[addr] = id
			}
			shown := false
			for _, p := range list {
				other, ok := consoleOf(p)
				if shown = shown || ok && other.ID == self.ID; ok && other.ID != self.ID {
					found[other.ID] = other
				}
			}
			switch {
			case err != nil:
				errs[i] = unreachable(name, "to tell of other consoles", err)
			case !shown:
				errs[i] = dlq.Errorf(dlq.CodeNotSupported, "the broker %s does not show who is connected", name)
			}
			if err != nil && !silent(err) {
				errs[i] = dlq.Errorf(dlq.CodeNotSupported, "the broker %s refuses to show who is connected: %w", name, err)
			}
			return nil
		})
	}
	g.Wait()
	others := slices.SortedFunc(maps.Values(found), func(x, y dlq.Console) int { return cmp.Compare(x.ID, y.ID) })
	if slices.Contains(errs, nil) {
		return others, nil
	}
	return others, errs[0]
}

// mark registers a console at a broker, in place of what it was registered as, and asks who else is there.
func (b *Broker) mark(ctx context.Context, addr, before, id string) ([]remoting.ProducerClient, error) {
	if before != "" && before != id {
		if err := b.wire.UnregisterProducer(ctx, addr, before, consoleGroup); err != nil {
			return nil, err
		}
	}
	if err := b.wire.RegisterProducer(ctx, addr, id, consoleGroup); err != nil {
		return nil, err
	}
	return b.wire.Producers(ctx, addr, consoleGroup)
}

// markOfConsole is a console as a client id: host@dlq@id@since, the last 0 while it does not act by itself.
func markOfConsole(c dlq.Console) string {
	since := int64(0)
	if c.Automation && c.Since != nil {
		since = c.Since.UnixMilli()
	}
	return notInHost.ReplaceAllString(c.Host, "_") + "@dlq@" + c.ID + "@" + strconv.FormatInt(since, 10)
}

var notInHost = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func consoleOf(p remoting.ProducerClient) (dlq.Console, bool) {
	parts := strings.Split(p.ID, "@")
	if len(parts) != 4 || parts[1] != "dlq" || parts[2] == "" {
		return dlq.Console{}, false
	}
	ms, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return dlq.Console{}, false
	}
	c := dlq.Console{ID: parts[2], Host: notInHost.ReplaceAllString(parts[0], "_"), Address: strings.TrimPrefix(p.Addr, "/"), Automation: ms > 0}
	if ms > 0 {
		at := time.UnixMilli(ms).UTC()
		c.Since = &at
	}
	return c, true
}
