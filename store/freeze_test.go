package store

import (
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// The list has what the pick chooses, in its order, and is added to only by what is not on it.
func TestFreeze(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	ctx := t.Context()
	b := batchOf("pay", 0, 12)
	for i := range b.Arrivals {
		b.Arrivals[i].Message.BornAt = c.now().Add(-time.Duration(i%4) * time.Hour)
	}
	admit(t, s, b, batchOf("stock", 0, 6))
	indexAll(t, s)
	apply(t, s, dlq.Change{LetterID: 3, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	listOf := func(number int64) (ids []int64) {
		t.Helper()
		for cursor := ""; ; {
			p, err := s.Items(ctx, number, nil, cursor, 5)
			if err != nil {
				t.Fatal(err)
			}
			for i, item := range p.Items {
				if item.Position != int64(len(ids)) || item.State != dlq.ItemPending || item.Letter == nil || item.Letter.ID != item.LetterID {
					t.Errorf("item %d: %+v", i, item)
				}
				ids = append(ids, item.LetterID)
			}
			if cursor = p.Next; cursor == "" {
				return ids
			}
		}
	}
	for name, tt := range map[string]struct {
		pick dlq.OperationPick
		want []int64
	}{
		"filter":    {dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{"pay"}, Tab: dlq.TabAttention}}, []int64{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		"except":    {dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{"pay"}}, Except: []int64{1, 4, 5, 6, 7, 8, 9, 10, 11, 99}}, []int64{2, 3, 12}},
		"by birth":  {dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{"pay"}}, ByBirth: true}, []int64{4, 8, 12, 3, 7, 11, 2, 6, 10, 1, 5, 9}},
		"selection": {dlq.OperationPick{IDs: []int64{18, 3, 99, 3, 1}, Except: []int64{1}}, []int64{3, 18}},
		"text":      {dlq.OperationPick{Filter: &dlq.Filter{Query: "PAY-stock-3"}}, []int64{16}},
		"words":     {dlq.OperationPick{Filter: &dlq.Filter{Query: "库存不足", ConsumerGroups: []string{"stock"}}}, []int64{13, 14, 15, 16, 17, 18}},
		"nothing":   {dlq.OperationPick{Filter: &dlq.Filter{Reasons: []string{"none such"}}}, nil},
		"nobody":    {dlq.OperationPick{}, nil},
	} {
		o := drafted(t, s, dlq.OperationReplay, tt.pick)
		if diff := cmp.Diff(tt.want, listOf(o.Number)); diff != "" || o.Letters != int64(len(tt.want)) || o.Counts[dlq.ItemPending] != o.Letters {
			t.Errorf("%s (-want +got):\n%s%d letters", name, diff, o.Letters)
		}
		if p, err := s.OperationPick(ctx, o.Number); err != nil || !cmp.Equal(p, tt.pick) {
			t.Errorf("%s: the pick that is kept: %+v, %v", name, p, err)
		}
	}
	filter := dlq.Filter{ConsumerGroups: []string{"stock"}, Tab: dlq.TabAttention}
	o := drafted(t, s, dlq.OperationReplay, dlq.OperationPick{Filter: &filter, Except: []int64{14}})
	admit(t, s, batchOf("stock", 6, 8), batchOf("pay", 12, 13))
	apply(t, s, dlq.Change{LetterID: 15, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	if d, err := s.DriftOf(ctx, o.Number); err != nil || d != (dlq.OperationDrift{At: c.now(), Gone: 1, Arrived: dlq.Count{Count: 2, Exact: true}}) {
		t.Errorf("drift %+v, %v", d, err)
	}
	if _, err := s.Freeze(ctx, o.Number, dlq.OperationPick{Filter: &filter, Except: []int64{14}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{13, 15, 16, 17, 18, 19, 20}, listOf(o.Number)); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	if d, err := s.DriftOf(ctx, o.Number); err != nil || d.Gone != 1 || d.Arrived != (dlq.Count{Exact: true}) {
		t.Errorf("drift after adding %+v, %v", d, err)
	}
	s.maxItems = 7
	if _, err := s.Freeze(ctx, o.Number, dlq.OperationPick{IDs: []int64{13, 15}}); err != nil {
		t.Errorf("what is on the list already: %v", err)
	}
	for _, p := range []dlq.OperationPick{{IDs: []int64{1}}, {Filter: &dlq.Filter{}}, {Filter: &dlq.Filter{Tab: dlq.TabAttention}}} {
		_, err := s.Freeze(ctx, o.Number, p)
		wantCode(t, err, dlq.CodeTooLarge)
	}
	if n := len(listOf(o.Number)); n != 7 {
		t.Errorf("a refused freeze left %d letters on the list", n)
	}
	s.recount(t)
}
