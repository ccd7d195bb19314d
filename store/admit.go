package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// maxKeys is how many members of KEYS are indexed for one letter.
const maxKeys = 64

// largeBody is how many bytes of a body count as one more letter when transactions are filled.
const largeBody = 8 << 10

// arrival is a dlq.Arrival made ready outside the transaction.
type arrival struct {
	*dlq.Arrival
	judged     *judged
	properties []byte
	hashes     []int64 // of its ids and keys
}

// batch is a dlq.AdmitBatch made ready outside the transaction.
type batch struct {
	*dlq.AdmitBatch
	arrivals []arrival
}

// Admit stores batches of dead messages with the positions from which to read on: all of them or, when the channel gives
// an error, none. The channel gives exactly one value. The caller must not change the batches before that.
//
// Batches of several callers share a transaction, so it pays to have one Admit per queue waiting while the next batch is
// being made. The error is CodeConflict when a batch does not begin at the stored position of its queue, and when a
// report about one of its messages came in after they were looked up: read the position again and go on from there. It
// is CodeUnavailable while the disk is full. A queue that is not known yet is taken from wherever its first batch begins,
// and so is a queue whose epoch has risen. Messages that were stored before are skipped.
func (s *Store) Admit(ctx context.Context, batches []dlq.AdmitBatch) <-chan error {
	ready, size, err := prepare(batches)
	if err == nil {
		err = ctx.Err()
	}
	j := newJob(size, func(t *tx) error { return t.admit(ready) })
	if err != nil {
		j.done <- err
		return j.done
	}
	s.lanes.push(laneIntake, j)
	return j.done
}

func prepare(batches []dlq.AdmitBatch) (ready []batch, size int, err error) {
	ready = make([]batch, len(batches))
	for i := range batches {
		b := &batches[i]
		ready[i] = batch{b, make([]arrival, len(b.Arrivals))}
		for k := range b.Arrivals {
			a := &b.Arrivals[k]
			size += 1 + len(a.Message.Body)/largeBody
			if !dlq.Can(dlq.TriggerArrive, "", a.Plan.State) {
				return nil, 0, dlq.Errorf(dlq.CodeRefused, "a letter cannot arrive as %q", a.Plan.State)
			}
			judged, err := newJudged(&a.Facts, &a.Verdict)
			if err != nil {
				return nil, 0, err
			}
			ready[i].arrivals[k] = arrival{a, judged, packProperties(a.Message.Properties), hashes(&a.Message)}
		}
	}
	return ready, size, nil
}

func (t *tx) admit(batches []batch) error {
	if err := t.mayAdmit(batches); err != nil {
		return err
	}
	for i := range batches {
		b := &batches[i]
		p, err := t.advance(b.AdmitBatch)
		if err != nil {
			return err
		}
		if b.Gap != nil {
			if err := t.addGap(p.id, b.Gap); err != nil {
				return err
			}
		}
		for k := range b.arrivals {
			if err := t.admitOne(p, b.Epoch, &b.arrivals[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayAdmit refuses batches before anything is written.
func (t *tx) mayAdmit(batches []batch) error {
	positions := map[dlq.Queue]dlq.QueuePosition{}
	for i := range batches {
		b := &batches[i]
		at, known := positions[b.Queue]
		if !known {
			var p place
			p, known = t.place(b.Queue)
			at = p.pos
		}
		if known && b.Epoch <= at.Epoch && (b.Epoch < at.Epoch || b.From != at.Next) {
			return dlq.Errorf(dlq.CodeConflict, "queue %d of %s on %s is stored up to offset %d of epoch %d, the batch begins at %d of epoch %d",
				b.Queue.Number, b.Queue.Topic, b.Queue.Broker, at.Next, at.Epoch, b.From, b.Epoch)
		}
		positions[b.Queue] = dlq.QueuePosition{Epoch: b.Epoch, Next: b.Next}
		for k := range b.arrivals {
			if err := t.noNewReport(b.arrivals[k].Arrival); err != nil {
				return err
			}
		}
	}
	return nil
}

// noNewReport refuses an arrival about which a report came in after it was looked up; neither would find the other.
func (t *tx) noNewReport(a *dlq.Arrival) error {
	if a.ReportsSeen == 0 || t.report < a.ReportsSeen {
		return nil
	}
	found, err := reportsAbout(context.Background(), t, []*dlq.DeadMessage{&a.Message}, a.ReportsSeen, nil)
	if err == nil && len(found) > 0 {
		err = dlq.Errorf(dlq.CodeConflict, "a report about one of the messages came in meanwhile")
	}
	return err
}

func (t *tx) place(q dlq.Queue) (place, bool) {
	if p, ok := t.places[q]; ok {
		return p, true
	}
	p, ok := t.s.mem.places[q]
	return p, ok
}

// advance writes the next offset of a batch's queue.
func (t *tx) advance(b *dlq.AdmitBatch) (place, error) {
	p, known := t.place(b.Queue)
	p.pos = dlq.QueuePosition{Queue: b.Queue, Epoch: b.Epoch, Next: b.Next}
	if known {
		_, err := t.exec("UPDATE queue SET epoch=?, next_offset=?, changed=? WHERE id=?", b.Epoch, b.Next, t.now, p.id)
		t.places[b.Queue] = p
		return p, err
	}
	var broker, topic int64
	err := t.words(wordInto{&p.cluster, wordCluster, b.Queue.Cluster}, wordInto{&broker, wordBroker, b.Queue.Broker}, wordInto{&topic, wordDLQTopic, b.Queue.Topic})
	if err != nil {
		return p, err
	}
	p.id = 1
	for _, in := range []map[dlq.Queue]place{t.s.mem.places, t.places} {
		for _, other := range in {
			p.id = max(p.id, other.id+1)
		}
	}
	t.newPlace = true
	_, err = t.exec(`INSERT INTO queue(id, cluster, broker, topic, number, epoch, next_offset, changed)
		VALUES(?,?,?,?,?,?,?,?)`, p.id, p.cluster, broker, topic, b.Queue.Number, b.Epoch, b.Next, t.now)
	t.places[b.Queue] = p
	return p, err
}

func (t *tx) addGap(queue int64, g *dlq.Gap) error {
	t.gaps++
	at := g.At
	if at.IsZero() {
		at = t.at
	}
	_, err := t.exec(`INSERT INTO gap(queue, kind, first, next, n, at)
		VALUES(?,?,?,?,?,?)`, queue, string(g.Kind), g.From, g.To, g.Count, at.UnixMilli())
	return err
}

// admitOne stores one dead message, as a new letter or as one more death of the letter that it joins.
func (t *tx) admitOne(p place, epoch int64, a *arrival) error {
	var before *row
	r := &row{id: t.letter + 1}
	var replay any
	if a.Join != nil {
		found, err := t.row(a.Join.LetterID)
		if err != nil {
			return err
		}
		if found != nil { // else retention has deleted it, and the message becomes a new letter
			copied := *found
			before, r = found, &copied
			replay = orNull(a.Join.ReplayID)
		}
	}
	m := &a.Message
	stored := dlq.Millis(m.StoredAt, m.StoredRaw)
	n, err := t.exec(`INSERT INTO death(id, letter, queue, epoch, offset, stored, phys, attempts, arrived, is_foreign, message_id, replay)
		VALUES(?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT DO NOTHING`,
		t.death+1, r.id, p.id, epoch, m.Offset, stored, m.PhysOffset, m.ReconsumeTimes, t.now, a.Foreign, m.MessageID, replay)
	if err != nil || n == 0 {
		return err
	}
	t.death++
	event := dlq.Event{LetterID: r.id, Kind: dlq.EventArrived, Actor: dlq.ActorIntake, Rule: a.Verdict.Rule, State: a.Plan.State, ConsumerGroup: m.ConsumerGroup}
	if before == nil {
		t.letter++
		r.version = 1
		err = t.firstDeath(r, p, a)
	} else {
		event.Kind, event.ReplayID, event.From = dlq.EventDiedAgain, a.Join.ReplayID, dlq.States[before.state]
		event.Detail = map[string]string{"deaths": strconv.FormatInt(before.deaths+1, 10)}
		err = t.nextDeath(r, before, p, a)
	}
	if err != nil {
		return err
	}
	if err := t.addKeys(r.id, a.hashes); err != nil {
		return err
	}
	if a.Plan.Call != nil {
		call := *a.Plan.Call
		call.LetterID = r.id
		if err := t.saveCall(&call); err != nil {
			return err
		}
	}
	t.count(before, r)
	t.span(r.died, r.seq)
	t.arrivedNow(r)
	t.arrived[r.failure()]++
	return t.log(event)
}

// keysInserts are statements for one to four rows: most letters have no more ids and keys.
var keysInserts = func() (list [4]string) {
	for i := range list {
		list[i] = "INSERT INTO key(bucket, hash, letter) VALUES(?,?,?)" + strings.Repeat(",(?,?,?)", i) + " ON CONFLICT DO NOTHING"
	}
	return list
}()

// addKeys lets a letter be found by the hashes of its ids and keys.
func (t *tx) addKeys(letter int64, hashes []int64) error {
	bucket := letter >> 16
	for part := range slices.Chunk(hashes, len(keysInserts)) {
		var values [3 * len(keysInserts)]any
		for i, h := range part {
			values[3*i], values[3*i+1], values[3*i+2] = bucket, h, letter
		}
		if _, err := t.exec(keysInserts[len(part)-1], values[:3*len(part)]...); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) firstDeath(r *row, p place, a *arrival) error {
	if err := t.arrive(r, nil, p, a); err != nil {
		return err
	}
	if err := t.insert(r); err != nil {
		return err
	}
	return t.putBody("INSERT "+intoBody, r.id, a)
}

// nextDeath reopens the letter whose replay died. What was planned for it before is called off.
func (t *tx) nextDeath(r, before *row, p place, a *arrival) error {
	add := flagBits([]dlq.Flag{dlq.FlagFailedAgain})
	if before.is(dlq.StateResolved) || before.is(dlq.StateDiscarded) {
		add |= flagBits([]dlq.Flag{dlq.FlagRegressed})
	}
	r.flags |= add
	r.version++
	if before.reasonDeath == 0 { // else what its newest death says is kept already
		if err := t.keepReason(before, t.cause(before)); err != nil {
			return err
		}
	}
	if err := t.arrive(r, before, p, a); err != nil {
		return err
	}
	if err := t.replayDied(r, a.Join.ReplayID); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE call SET state='cancelled', next_at=NULL, changed=? WHERE letter=? AND state='pending'", t.now, r.id); err != nil {
		return err
	}
	if before.seq <= t.search {
		if _, err := t.exec("DELETE FROM search WHERE rowid=?", before.seq); err != nil {
			return err
		}
	}
	if err := t.update(r); err != nil {
		return err
	}
	return t.putBody("REPLACE "+intoBody, r.id, a)
}

// replayDied notes that the message of a letter's replay is back.
func (t *tx) replayDied(r *row, id string) error {
	have, err := t.replayStanding(r.id, id)
	if err != nil || have.letter != r.id {
		return err
	}
	const to = dlq.OutcomeFailedAgain
	t.countSettled(r, have.settled, to)
	t.forgetStanding(r.id)
	if _, err := t.exec("UPDATE replay SET outcome='failed_again', detail=CASE detail WHEN 'diverted' THEN detail ELSE 'back_in_dlq' END, settled_at=?, next_look=NULL WHERE id=?", t.now, id); err != nil {
		return err
	}
	if have.number == have.newest {
		if r.outcome, err = t.word(wordOutcome, string(to)); err != nil {
			return err
		}
	}
	return t.follow(have, to, "")
}

// arrive fills in what a death tells of a letter.
func (t *tx) arrive(r, before *row, p place, a *arrival) error {
	m := &a.Message
	r.seq, r.deaths = t.death, r.deaths+1
	r.queue, r.cluster = p.id, p.cluster
	r.state, r.resolution = stateCode(a.Plan.State), 0
	r.flags |= flagBits(a.Plan.Flags)
	r.attempts, r.size = int64(m.ReconsumeTimes), int64(len(m.Body))
	r.born, r.died, r.arrived, r.changed = dlq.Millis(m.BornAt, m.BornRaw), dlq.Millis(m.StoredAt, m.StoredRaw), t.now, t.now
	r.originID, r.uniqueKey = m.Properties[dlq.PropOriginID], m.Properties[dlq.PropUniqueKey]
	r.keys, r.tags, r.messageID = m.Properties[dlq.PropKeys], m.Properties[dlq.PropTags], m.MessageID
	t.setTimes(r, a.Plan.DueAt)
	if err := t.words(wordInto{&r.group, wordConsumerGroup, m.ConsumerGroup}, wordInto{&r.hold, wordHold, string(a.Plan.Hold)}); err != nil {
		return err
	}
	return t.setVerdict(r, before, a.judged)
}

// setTimes sets when the next step is due and when retention deletes the letter, as its new state asks.
func (t *tx) setTimes(r *row, due *time.Time) {
	r.due, r.expires = optMillis(nil), optMillis(nil)
	switch dlq.States[r.state] {
	case dlq.StateScheduled, dlq.StateSnoozed, dlq.StateCompensating:
		r.due = optMillis(due)
	case dlq.StateResolved, dlq.StateDiscarded:
		at := t.at.Add(t.s.retention)
		r.expires = optMillis(&at)
	}
}

const intoBody = "INTO body(letter, state, topic, store_host, born_host, sys_flag, flag, orderly, properties, body) VALUES(?,?,?,?,?,?,?,?,?,?)"

func (t *tx) putBody(query string, letter int64, a *arrival) error {
	m := &a.Message
	var state, topic, host int64
	err := t.words(wordInto{&state, wordBodyState, string(m.BodyState)}, wordInto{&topic, wordTopic, m.OriginalTopic}, wordInto{&host, wordHost, m.StoreHost})
	if err != nil {
		return err
	}
	_, err = t.exec(query, letter, state, topic, host, m.BornHost, m.SysFlag, m.Flag, m.Orderly, a.properties, m.Body)
	return err
}

// hashes returns those of everything by which a message is looked up as a whole.
func hashes(m *dlq.DeadMessage) []int64 {
	list := make([]int64, 0, 4)
	for _, id := range identities(m) {
		list = append(list, hash(id))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// identities returns the ids and keys of a message.
func identities(m *dlq.DeadMessage) []string {
	all := append(make([]string, 0, 4), m.MessageID, m.Properties[dlq.PropOriginID], m.Properties[dlq.PropUniqueKey])
	all = append(all, firstKeys(m.Properties[dlq.PropKeys])...)
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

func firstKeys(keys string) []string {
	list := strings.Fields(keys)
	return list[:min(len(list), maxKeys)]
}

// hash is FNV-1a over the texts with a zero byte between them. Whoever finds something by it compares the texts afterwards.
func hash(texts ...string) int64 {
	h := uint64(14695981039346656037)
	for i, s := range texts {
		if i > 0 {
			h *= 1099511628211
		}
		for k := range len(s) {
			h = (h ^ uint64(s[k])) * 1099511628211
		}
	}
	return int64(h)
}
