package store

import (
	"testing"

	"deadletteroffice/dlq"
)

// The counts beside a search are those of the search, in every tab; a cap is told.
func TestFacetsFollowTheText(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 30), batchOf("stock", 0, 30))
	for id := int64(1); id <= 5; id++ { // pay-0 to pay-4
		apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerResolve, To: dlq.StateResolved, Resolution: dlq.ResolvedByHand})
	}
	apply(t, s, dlq.Change{LetterID: 6, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	facets := func(f dlq.Filter) dlq.Facets {
		t.Helper()
		got, err := s.Facets(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	// A key is found before full text knows its letter, and in whatever tab that is.
	for _, query := range []string{"PAY-pay-3", "UK-pay-3", "ID-pay-3", "ORIGIN-pay-3", "4"} {
		got := facets(dlq.Filter{Tab: dlq.TabAttention, Query: query})
		if query == "4" { // the id of that letter, and a key of others
			if got.Tabs[dlq.TabResolved] != 2 {
				t.Errorf("%s: %+v", query, got)
			}
			continue
		}
		if got.Tabs[dlq.TabResolved] != 1 || got.Tabs[dlq.TabAttention] != 0 || len(got.ConsumerGroups) != 0 || !got.Exact {
			t.Errorf("%s: %+v", query, got)
		}
		if p := list(t, s, dlq.Filter{Query: query}); len(p.Items) != 1 || p.Items[0].State != dlq.StateResolved {
			t.Errorf("%s without a tab: %+v", query, p.Items)
		}
	}
	indexAll(t, s)
	for _, query := range []string{"库存不足", `"库存不足 of 7"`, "库存不足 PAY-pay-7"} {
		for _, tab := range dlq.Tabs {
			f := dlq.Filter{Tab: tab, Query: query}
			got := facets(f)
			for _, other := range dlq.Tabs {
				if p := list(t, s, dlq.Filter{Tab: other, Query: query}); got.Tabs[other] != p.Total.Count {
					t.Errorf("%s: %d in %s, the list has %d", query, got.Tabs[other], other, p.Total.Count)
				}
			}
			for _, g := range got.ConsumerGroups {
				f.ConsumerGroups = []string{g.Value}
				if p := list(t, s, f); p.Total.Count != g.Count {
					t.Errorf("%s in %s: %d of %s, the list has %d", query, tab, g.Count, g.Value, p.Total.Count)
				}
			}
			f.ConsumerGroups = []string{"pay"}
			if narrowed := facets(f); len(narrowed.ConsumerGroups) != len(got.ConsumerGroups) {
				t.Errorf("%s in %s: a consumer group's own filter hides the others: %+v", query, tab, narrowed.ConsumerGroups)
			}
		}
	}
	if got := facets(dlq.Filter{Fingerprints: []string{"fff0000000000000"}}); got.Tabs[dlq.TabResolved] != 2 || got.Tabs[dlq.TabAttention] != 18 || !got.Exact {
		t.Errorf("of one failure: %+v", got)
	}
}

func TestFacetsOfVeryManySayWhatTheyLookedAt(t *testing.T) {
	s := open(t, Options{})
	for from := int64(0); from < facetCap+200; from += 2000 {
		admit(t, s, batchOf("pay", from, min(from+2000, facetCap+200)))
	}
	got, err := s.Facets(t.Context(), dlq.Filter{Flags: nil, DiedAfter: new(newClock().t)})
	if err != nil || got.Exact || got.Examined != facetCap || got.Tabs[dlq.TabAttention] != facetCap {
		t.Errorf("%+v, %v", got, err)
	}
}
