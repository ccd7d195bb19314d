package operation

import (
	"context"
	"slices"
	"strings"

	"deadletteroffice/dlq"
)

const waitingAtOnce = 400 // pending letters that are read at once

// Skip gives up the letters of an operation that wait for a cause, which is dlq.WaitsBroker: those that could be given back
// only through a broker that is away now. The others go on, and what was sent stays sent. The ledger has dlq.SkipGivenUp for
// each of them, and the log how many there were and where.
//
// The errors are CodeInvalid for another cause, CodeConflict when the operation changed since the version that was seen, and
// CodeRefused when it acts no more or when no letter waits.
func (m *Manager) Skip(ctx context.Context, id string, version int64, cause, note, actor string) (dlq.Operation, error) {
	if cause != dlq.WaitsBroker {
		return dlq.Operation{}, invalid("letters that wait for %q cannot be given up; those that wait for %q can", cause, dlq.WaitsBroker)
	}
	o, err := m.Store.Operation(ctx, id)
	if err != nil {
		return o, err
	}
	if version != 0 && version != o.Version {
		return o, m.conflict(ctx, o, version)
	}
	if err := mayGiveUp(&o); err != nil {
		return o, err
	}
	letters, brokers, err := m.waiting(ctx, &o)
	if err != nil {
		return o, err
	}
	if len(letters) == 0 {
		return o, dlq.Errorf(dlq.CodeRefused, "no letter of operation %d waits for a broker now", o.Number).WithHint("look at the operation as it is now")
	}
	_, err = m.act(ctx, wish{id, version, note, actor}, func(o *dlq.Operation) (dlq.OperationEvent, error) {
		return dlq.OperationEvent{Kind: "gave_up", Detail: map[string]string{
			"waits_for": cause, "letters": whole(int64(len(letters))), "brokers": strings.Join(brokers, ", "),
		}}, mayGiveUp(o)
	})
	if err != nil {
		return o, err
	}
	for part := range slices.Chunk(letters, waitingAtOnce) {
		why := map[int64]string{}
		for _, letter := range part {
			why[letter] = dlq.SkipGivenUp
		}
		if err := m.Store.SkipItems(ctx, o.Number, why); err != nil {
			return o, err
		}
	}
	m.mu.Lock()
	r := m.runs[o.Number]
	m.mu.Unlock()
	if r != nil {
		r.lookAnew()
	}
	return m.Get(ctx, id)
}

func mayGiveUp(o *dlq.Operation) error {
	if o.Kind != dlq.OperationReplay || !o.State.Acts() || o.State == dlq.OperationQueued {
		return dlq.Errorf(dlq.CodeRefused, "operation %d sends nothing now, so none of its letters waits", o.Number)
	}
	return nil
}

// waiting finds the pending letters that only brokers which are away could give back. One letter of each consumer group and
// broker is asked for.
func (m *Manager) waiting(ctx context.Context, o *dlq.Operation) (letters []int64, brokers []string, err error) {
	work, err := m.Store.OperationWork(ctx, o.Number)
	if err != nil {
		return nil, nil, err
	}
	for group := range work {
		waits := map[string]bool{} // by broker
		for from, more := int64(0), true; more; {
			tasks, err := m.Store.OperationTasks(ctx, o.Number, group, from, 0, waitingAtOnce, false)
			if err != nil {
				return nil, nil, err
			}
			more = len(tasks) == waitingAtOnce
			for _, t := range tasks {
				from = t.Position + 1
				if t.Letter == nil {
					continue
				}
				broker := t.Letter.Broker
				away, asked := waits[broker]
				if !asked {
					doors, err := m.Replays.Doors(ctx, *o.Spec.Replay, []dlq.OperationTask{t})
					switch {
					case len(doors) == 1:
						away = !doors[0].Allowed && doors[0].Why == dlq.WaitsBroker
					case err != nil:
						return nil, nil, err
					}
					if waits[broker] = away; away && !slices.Contains(brokers, broker) {
						brokers = append(brokers, broker)
					}
				}
				if away {
					letters = append(letters, t.LetterID)
				}
			}
		}
	}
	slices.Sort(brokers)
	return letters, brokers, nil
}
