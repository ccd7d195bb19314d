package rocketmq

import (
	"context"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
)

func messageQueue(q question) remoting.MessageQueue {
	return remoting.MessageQueue{Topic: q.topic, Broker: q.broker, ID: q.queue}
}

// words is what the clients of a group say of themselves.
type words struct {
	at       time.Time // every answer is at least as new
	online   int
	answered int
	java     bool // all that are online answered, and count
	infos    []remoting.ConsumerRunningInfo
}

// owner is the client that reads a queue; nil when none says so.
func (w *words) owner(q question) *remoting.ConsumerRunningInfo {
	for i := range w.infos {
		if pq, ok := w.infos[i].Queues[messageQueue(q)]; ok && !pq.Dropped {
			return &w.infos[i]
		}
	}
	return nil
}

// denies says whether the client that reads a queue has not come to an offset.
func (w *words) denies(q question, offset int64) bool {
	owner := w.owner(q)
	return owner != nil && owner.Queues[messageQueue(q)].CommitOffset < offset
}

// rates is how many messages of a topic clients worked on and pulled, per second.
func (w *words) rates(topic string) (work, pulled float64) {
	for _, info := range w.infos {
		st := info.Status[topic]
		work, pulled = work+st.OK+st.Failed, pulled+st.Pulled
	}
	return work, pulled
}

func startOf(info remoting.ConsumerRunningInfo) time.Time {
	ms, err := strconv.ParseInt(info.Properties[propStarted], 10, 64)
	if err != nil {
		return time.Now().AddDate(100, 0, 0) // nobody knows
	}
	return time.UnixMilli(ms)
}

const propStarted = "PROP_CONSUMER_START_TIMESTAMP"

// words asks the clients of a group.
func (b *Broker) words(ctx context.Context, group string, p presence) words {
	asked := p.clients[:min(len(p.clients), proofClients)]
	w := words{at: b.now(), online: len(p.clients), java: len(p.clients) > 0 && len(asked) == len(p.clients)}
	heard := make([]clientWord, len(asked))
	var g errgroup.Group
	for i, cl := range asked {
		g.Go(func() (err error) {
			if heard[i], err = b.word(ctx, p.hosts[cl.ID], group, cl.ID, proofWords); err != nil {
				b.log.Debug("a client does not tell how far it is", "consumer_group", group, "client", cl.ID, "error", err)
			}
			return nil
		})
	}
	g.Wait()
	for i, h := range heard {
		w.java = w.java && asked[i].Language == "JAVA" && h.err == nil && h.info.Status != nil
		if h.mute || h.at.IsZero() {
			continue
		}
		w.answered++
		w.at = earlier(w.at, h.at)
		w.infos = append(w.infos, h.info)
	}
	return w
}
