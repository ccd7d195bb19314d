package operation

import (
	"context"
	"strconv"
	"time"

	"deadletteroffice/dlq"
)

// verdict is what a brake makes of outcomes.
type verdict struct {
	failed, of          int
	fingerprint, reason string // of the failure group that most of the failed ones belong to
}

// judge counts outcomes that are failures.
func judge(list []dlq.SettledReplay, bad ...dlq.Outcome) verdict {
	v := verdict{of: len(list)}
	type cause struct{ fingerprint, reason string }
	counts := map[cause]int{}
	most := 0
	for _, o := range list {
		for _, b := range bad {
			if o.Outcome != b {
				continue
			}
			v.failed++
			c := cause{o.Fingerprint, o.Reason}
			if counts[c]++; counts[c] > most {
				most, v.fingerprint, v.reason = counts[c], c.fingerprint, c.reason
			}
		}
	}
	return v
}

// over reports whether more than so many percent failed.
func (v verdict) over(percent float64) bool {
	return v.failed > 0 && float64(v.failed)*100 > percent*float64(v.of)
}

func (v verdict) because(above float64) map[string]string {
	return map[string]string{
		"fingerprint": v.fingerprint, "reason": v.reason,
		"failed": strconv.Itoa(v.failed), "of": strconv.Itoa(v.of), "above": number(above),
	}
}

// brake pauses the operation when too many of its last outcomes are "failed again". It needs as many as it looks at or,
// of an operation that has fewer letters than that, those that there are.
func (r *run) brake(ctx context.Context) (tripped bool, err error) {
	b := r.op.Spec.Brake
	if r.op.Kind != dlq.OperationReplay || b.Of == 0 || r.op.State != dlq.OperationRunning {
		return false, nil
	}
	c := r.op.Counts
	news := r.judged == nil
	for _, s := range final {
		news = news || r.judged[s] != c[s]
	}
	if !news || c[dlq.ItemFailedAgain] == 0 {
		return false, nil
	}
	list, err := r.m.Store.RecentOutcomes(ctx, r.number, r.since(), b.Of)
	if err != nil {
		return false, err
	}
	r.judged = c
	v := judge(list, dlq.OutcomeFailedAgain)
	if v.of < b.Of && r.op.Letters >= int64(b.Of) || !v.over(b.Above) {
		return false, nil
	}
	return true, r.pause(ctx, dlq.PauseBreaker, v.because(b.Above))
}

// since is from when on outcomes count: a person who resumes has seen those before.
func (r *run) since() time.Time {
	for _, at := range []*time.Time{r.op.ResumedAt, r.op.StartedAt} {
		if at != nil {
			return *at
		}
	}
	return r.op.CreatedAt
}

// canary sends the first letters and waits for their outcomes. Letters that are skipped say nothing, so others take their
// place. It fails as soon as it cannot come out well any more; a send that failed speaks against going on, too.
func (r *run) canary(ctx context.Context, now time.Time) (time.Duration, error) {
	if r.feed.inFlight > 0 {
		return lookEvery, nil
	}
	if err := r.look(ctx, 0); err != nil || r.op.State != dlq.OperationCanary {
		return 0, err
	}
	c := r.op.Counts
	acted := r.op.Letters - c[dlq.ItemPending] - c[dlq.ItemSkipped]
	above := r.op.Spec.Brake.Above
	if r.op.Spec.Brake.Of == 0 {
		above = 0
	}
	size := r.op.CanaryLetters
	if c[dlq.ItemPending] == 0 {
		size = min(size, acted)
	}
	if v := (verdict{failed: int(c[dlq.ItemFailedAgain] + c[dlq.ItemSendFailed]), of: int(size)}); v.over(above) {
		list, err := r.m.Store.RecentOutcomes(ctx, r.number, r.since(), maxOf)
		if err != nil {
			return 0, err
		}
		most := judge(list, dlq.OutcomeFailedAgain)
		if most.failed == 0 {
			most = judge(list, dlq.OutcomeSendFailed)
		}
		v.fingerprint, v.reason = most.fingerprint, most.reason
		return 0, r.pause(ctx, dlq.PauseCanary, v.because(above))
	}
	if acted < size {
		r.feed.planned = false
		return r.launch(ctx, now, bounds{letters: size - acted, below: r.op.CanaryLetters + 2*c[dlq.ItemSkipped]})
	}
	if c[dlq.ItemSending]+c[dlq.ItemWaiting] > 0 {
		r.waitFor(waitsCanary, r.limit(now))
		return lookEvery, nil
	}
	o := r.op
	if err := step(&o, movePass, dlq.OperationRunning); err != nil {
		return 0, err
	}
	return 0, r.save(ctx, o, dlq.OperationEvent{Kind: "canary_passed", Detail: map[string]string{
		"letters": whole(acted), "failed": whole(c[dlq.ItemFailedAgain] + c[dlq.ItemSendFailed]),
	}})
}
