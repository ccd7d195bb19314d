package alerts

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// group is what one receiver is to be told in a turn.
type group struct {
	*turn
	is       dlq.AlertGroup
	receiver *receiver
	disabled bool
}

// tell works out what one receiver learns, now or later.
func (t *turn) tell(name string) {
	was := dlq.AlertGroup{Receiver: name}
	for i := range t.book.Groups {
		if t.book.Groups[i].Receiver == name {
			was = t.book.Groups[i]
		}
	}
	g := group{turn: t, receiver: t.config.receiver(name), is: was, disabled: t.disabled[name] != ""}
	g.is.Told, g.is.Waiting = maps.Clone(was.Told), maps.Clone(was.Waiting)
	if g.is.Told == nil {
		g.is.Told = map[string]dlq.AlertState{}
	}
	if g.is.Waiting == nil {
		g.is.Waiting = map[string]time.Time{}
	}
	for _, id := range slices.Sorted(maps.Keys(t.alerts)) {
		g.look(t.alerts[id])
	}
	gone := func(id string) bool { return t.alerts[id] == nil }
	maps.DeleteFunc(g.is.Told, func(id string, _ dlq.AlertState) bool { return gone(id) })
	maps.DeleteFunc(g.is.Waiting, func(id string, _ time.Time) bool { return gone(id) })
	switch {
	case g.receiver == nil:
		g.is = dlq.AlertGroup{Receiver: name} // it is taken out
	case g.disabled:
	case g.receiver.pushed():
		g.push()
	default:
		g.send()
	}
	if changed(&was, &g.is) {
		t.step.Groups = append(t.step.Groups, g.is)
	}
}

// changed takes no map and an empty one to be the same.
func changed(was, is *dlq.AlertGroup) bool {
	return !maps.Equal(was.Told, is.Told) || !maps.EqualFunc(was.Waiting, is.Waiting, time.Time.Equal) || !reflect.DeepEqual(was.SentAt, is.SentAt)
}

// look finds out whether the receiver has something to learn of one alert.
func (g *group) look(a *dlq.Alert) {
	told := g.is.Told[a.ID]
	_, waits := g.is.Waiting[a.ID]
	listed := slices.Contains(a.Receivers, g.is.Receiver)
	switch a.State {
	case dlq.AlertPending:
		g.forget(a)
	case dlq.AlertFiring:
		switch {
		case !listed || g.receiver == nil:
			g.forget(a)
			if g.receiver == nil && (waits || listed && g.fired[a.ID]) {
				g.withheld(a, dlq.AlertEventHeldBack, DetailReceiverMissing)
			} else if waits && told == "" {
				g.withheld(a, dlq.AlertEventHeldBack, DetailReceiverRemoved)
			}
		case told == dlq.AlertFiring:
			delete(g.is.Waiting, a.ID) // its end was going to be told
			if g.back[a.ID] {
				g.withheld(a, dlq.AlertEventHeldBack, DetailAlreadyTold)
			}
		default:
			delete(g.is.Told, a.ID) // its end was going to be told once more
			g.news(a, waits)
		}
	case dlq.AlertResolved:
		switch {
		case told == "" && waits:
			g.forget(a)
			g.withheld(a, dlq.AlertEventHeldBack, DetailResolvedBeforeTold)
		case told == dlq.AlertFiring && (!listed || g.receiver == nil || g.disabled || !g.receiver.resolved):
			g.forget(a)
		case told == dlq.AlertResolved && (g.receiver == nil || g.disabled || !g.receiver.pushed()):
			g.forget(a) // it was going to be told once more
		case told == dlq.AlertFiring && a.SilenceID != "":
			g.forget(a)
			g.withheld(a, dlq.AlertEventSilenced, "")
		case told == dlq.AlertFiring && !waits:
			g.is.Waiting[a.ID] = g.now
		}
	}
}

// news is for an alert that fires and that the receiver knows nothing of.
func (g *group) news(a *dlq.Alert, waits bool) {
	was := g.before[a.ID]
	first := waits || g.fired[a.ID] || was == nil || !slices.Contains(was.Receivers, g.is.Receiver)
	switch {
	case a.SilenceID != "":
		delete(g.is.Waiting, a.ID)
		if first || was.SilenceID != a.SilenceID {
			g.withheld(a, dlq.AlertEventSilenced, "")
		}
	case g.disabled:
		delete(g.is.Waiting, a.ID)
		if first {
			g.withheld(a, dlq.AlertEventHeldBack, DetailReceiverDisabled)
		}
	case !waits:
		g.is.Waiting[a.ID] = g.now
	}
}

func (g *group) forget(a *dlq.Alert) {
	delete(g.is.Told, a.ID)
	delete(g.is.Waiting, a.ID)
}

// withheld records that the receiver is not told of the alert, and why.
func (g *group) withheld(a *dlq.Alert, kind dlq.AlertEventKind, detail string) {
	g.event(a, kind, detail)
	e := &g.step.Events[len(g.step.Events)-1]
	e.Receiver = g.is.Receiver
	if kind == dlq.AlertEventSilenced {
		e.SilenceID = a.SilenceID
	}
}

// send tells the news once they have waited long enough, or what still fires once more.
func (g *group) send() {
	r := g.receiver
	if len(g.is.Waiting) > 0 {
		at := slices.MinFunc(slices.Collect(maps.Values(g.is.Waiting)), time.Time.Compare).Add(r.wait)
		if g.is.SentAt != nil && g.is.SentAt.Add(r.interval).After(at) {
			at = g.is.SentAt.Add(r.interval)
		}
		if g.now.Before(at) {
			g.due(at)
			return
		}
		news := g.choose(func(id string) bool { _, waits := g.is.Waiting[id]; return waits })
		if len(news) > maxTold {
			g.due(g.now.Add(r.interval))
			news = news[:maxTold]
		}
		rest := g.still()
		more := max(len(news)+len(rest)-maxTold, 0)
		g.deliver(g.why(news), news, rest[:len(rest)-more], more)
		return
	}
	rest := g.still()
	if r.repeat == 0 || len(rest) == 0 || g.is.SentAt == nil {
		return
	}
	if at := g.is.SentAt.Add(r.repeat); g.now.Before(at) {
		g.due(at)
		return
	}
	more := max(len(rest)-maxTold, 0)
	rest = rest[:len(rest)-more]
	g.deliver(dlq.NotifyRepeat, nil, rest, more)
	for _, a := range rest {
		g.notified(a, DetailRepeat)
	}
}

// push tells a receiver that keeps the state itself: all that fires, at once when there is news and else every minute,
// and the end of each alert twice.
func (g *group) push() {
	news := g.choose(func(id string) bool { _, waits := g.is.Waiting[id]; return waits })
	rest := g.still()
	over := g.choose(func(id string) bool { return g.is.Told[id] == dlq.AlertResolved })
	if len(news)+len(rest)+len(over) == 0 {
		return
	}
	if len(news) == 0 && g.is.SentAt != nil && g.now.Before(g.is.SentAt.Add(g.receiver.repeat)) {
		g.due(g.is.SentAt.Add(g.receiver.repeat))
		return
	}
	why := dlq.NotifyRepeat
	if len(news) > 0 {
		why = g.why(news)
	}
	all := slices.Concat(news, rest, over)
	for len(all) > 0 {
		part := all[:min(len(all), maxTold)]
		fresh := part[:min(len(part), len(news))]
		g.deliver(why, fresh, part[len(fresh):], 0)
		all, news = all[len(part):], news[len(fresh):]
	}
	g.due(g.now.Add(g.receiver.repeat))
}

// choose returns alerts in the order in which they are told: firing ones first, the most urgent first, then the oldest.
func (g *group) choose(wanted func(id string) bool) []*dlq.Alert {
	var out []*dlq.Alert
	for id, a := range g.alerts {
		if wanted(id) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, dlq.ByUrgency)
	return out
}

// still are the alerts of which the receiver knows, that still fire, and that nothing holds back.
func (g *group) still() []*dlq.Alert {
	return g.choose(func(id string) bool {
		a := g.alerts[id]
		return g.is.Told[id] == dlq.AlertFiring && a.State == dlq.AlertFiring && a.SilenceID == ""
	})
}

// why says what news there is: an incident begins, grows, or ends.
func (g *group) why(news []*dlq.Alert) dlq.NotificationReason {
	switch {
	case news[0].State != dlq.AlertFiring:
		return dlq.NotifyResolved
	case slices.Contains(slices.Collect(maps.Values(g.is.Told)), dlq.AlertFiring):
		return dlq.NotifyNew
	default:
		return dlq.NotifyFirst
	}
}

// deliver writes the delivery and what the receiver knows by it.
func (g *group) deliver(why dlq.NotificationReason, news, rest []*dlq.Alert, more int) {
	told := slices.Concat(news, rest)
	slices.SortFunc(told, dlq.ByUrgency)
	at := g.now
	d := dlq.Delivery{
		ID: g.newID(), Kind: dlq.DeliveryAlert, Receiver: g.is.Receiver, Type: g.receiver.typ, State: dlq.DeliveryPending,
		NextAt: &at, CreatedAt: at, ChangedAt: at,
		Notification: dlq.Notification{Reason: why, At: at, More: more},
	}
	for _, a := range told {
		d.Notification.Alerts = append(d.Notification.Alerts, *a)
	}
	g.step.Deliveries = append(g.step.Deliveries, d)
	g.is.SentAt = &at
	for _, a := range told {
		switch was := g.is.Told[a.ID]; {
		case a.State == dlq.AlertFiring:
			g.is.Told[a.ID] = dlq.AlertFiring
		case g.receiver.pushed() && was == dlq.AlertFiring:
			g.is.Told[a.ID] = dlq.AlertResolved // once more
		default:
			delete(g.is.Told, a.ID)
		}
		delete(g.is.Waiting, a.ID)
	}
	for _, a := range news {
		g.notified(a, "")
	}
}

// notified records that the newest delivery tells of the alert.
func (g *group) notified(a *dlq.Alert, detail string) {
	g.withheld(a, dlq.AlertEventNotified, detail)
	g.step.Events[len(g.step.Events)-1].DeliveryID = g.step.Deliveries[len(g.step.Deliveries)-1].ID
}
