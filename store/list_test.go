package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// many fills a store with letters of several consumer groups, topics, reasons and rules; one in a thousand is rare.
func many(t testing.TB, s *Store, n int) {
	t.Helper()
	groups := []string{"pay", "stock", "mail", "ship"}
	next := map[string]int64{}
	for done := 0; done < n; {
		var batches []dlq.AdmitBatch
		for _, g := range groups {
			size := min(500, n-done)
			b := batchOf(g, next[g], next[g]+int64(size))
			next[g] += int64(size)
			for i := range b.Arrivals {
				a := &b.Arrivals[i]
				a.Facts.Topic = fmt.Sprint("topic-", (done+i)%5)
				if (done+i)%1000 == 500 {
					a.Facts.Reason, a.Verdict.Rule = "rare_reason", "rare rule"
				}
			}
			done += size
			batches = append(batches, b)
		}
		admit(t, s, batches...)
	}
}

// shapes are the filters whose plans are guarded.
func shapes() map[string]dlq.Filter {
	after, before := newClock().t.Add(time.Minute), newClock().t.Add(time.Hour)
	return map[string]dlq.Filter{
		"all":                     {},
		"tab":                     {Tab: dlq.TabAttention},
		"states of a tab":         {States: []dlq.State{dlq.StateScheduled, dlq.StateAwaiting}},
		"consumer group":          {ConsumerGroups: []string{"pay"}},
		"tab and consumer groups": {Tab: dlq.TabAttention, ConsumerGroups: []string{"pay", "mail"}},
		"topic":                   {Topics: []string{"topic-1"}},
		"reason":                  {Reasons: []string{"network_timeout"}},
		"rare reason":             {Reasons: []string{"rare_reason"}},
		"rare rule":               {Tab: dlq.TabAttention, Rules: []string{"rare rule"}},
		"route and severity":      {Routes: []dlq.Route{dlq.RouteManual}, Severities: []dlq.Severity{dlq.SeverityHigh}},
		"fingerprint":             {Fingerprints: []string{"fff0000000000001"}},
		"flag":                    {Tab: dlq.TabAttention, Flags: []dlq.Flag{dlq.FlagEdited}},
		"owner":                   {Owners: []string{"ann"}},
		"owner or nobody":         {Owners: []string{"", "ann"}},
		"outcome":                 {Outcomes: []dlq.Outcome{dlq.OutcomeWaiting}},
		"time":                    {DiedAfter: &after, DiedBefore: &before},
		"everything":              {Tab: dlq.TabAttention, States: []dlq.State{dlq.StateOpen}, ConsumerGroups: []string{"pay", "stock"}, Topics: []string{"topic-2"}, Reasons: []string{"data_format_error"}, DiedAfter: &after},
	}
}

// explain returns the plan of a query.
func (s *Store) plan(t *testing.T, query string, args []any) (plan string) {
	t.Helper()
	err := s.read(t.Context(), func(ctx context.Context, q querier) error {
		return each(ctx, q, "EXPLAIN QUERY PLAN "+query, args, func(rows *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := rows.Scan(&id, &parent, &unused, &detail)
			plan += detail + "\n"
			return err
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return plan
}

// No list may examine the whole table: every shape searches an index whose columns before seq are all given, with the
// range of seq, and stops early.
func TestPlans(t *testing.T) {
	s := open(t, Options{})
	many(t, s, 4000)
	ann := "ann"
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerEdit, To: dlq.StateOpen, Owner: &ann, AddFlags: []dlq.Flag{dlq.FlagEdited}})
	claim(t, s, 2, dlq.Replay{ID: "r", ConsumerGroup: "pay"})
	used := map[string]bool{}
	for name, f := range shapes() {
		w := s.mem.compile(&f)
		k, _ := s.mem.plan(w, 50)
		err := s.read(t.Context(), func(ctx context.Context, q querier) error { return s.narrow(ctx, q, w, k) })
		if err != nil {
			t.Fatal(err)
		}
		used[k.index] = true
		for _, tail := range []string{" ORDER BY seq DESC LIMIT 51", " ORDER BY seq DESC LIMIT 1 OFFSET 19999", " LIMIT 10001"} {
			query, args := k.query("id, seq", true, tail)
			plan := s.plan(t, query, args)
			if !strings.Contains(plan, "SEARCH l USING") || !strings.Contains(plan, k.index+" (") || strings.Contains(plan, "SCAN") {
				t.Errorf("%s: %s\n%s", name, query, plan)
			}
			if !strings.Contains(plan, "tab=? AND seq>? AND seq<?") {
				t.Errorf("%s does not use the whole of its index: %s\n%s", name, query, plan)
			}
			one := !strings.Contains(k.settled.text, " IN (")
			if one && strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s sorts: %s\n%s", name, query, plan)
			}
		}
	}
	for _, index := range []string{"letter_tab", "letter_consumer_group", "letter_topic", "letter_reason", "letter_fingerprint", "letter_owner", "letter_flags"} {
		if !used[index] {
			t.Errorf("no shape uses %s", index)
		}
	}
	for name, query := range map[string]string{
		"due":           selectLetter + "INDEXED BY letter_due WHERE state=1 AND due_at<=9 AND due_at IS NOT NULL ORDER BY due_at LIMIT 5",
		"expired":       selectLetter + "INDEXED BY letter_expires WHERE expires<=9 AND expires IS NOT NULL ORDER BY expires LIMIT 5",
		"open replays":  "SELECT id FROM replay INDEXED BY replay_open WHERE outcome IN ('sending', 'waiting') AND next_look<=9 ORDER BY next_look LIMIT 5",
		"door C":        "SELECT id FROM replay INDEXED BY replay_back WHERE door='C' AND unique_key IN (1, 2)",
		"due calls":     "SELECT id FROM call INDEXED BY call_due WHERE state='pending' AND coalesce(next_at, 0)<=9 ORDER BY coalesce(next_at, 0) LIMIT 5",
		"oldest open":   "SELECT min(died) FROM letter INDEXED BY letter_open WHERE state=0 AND consumer_group=1",
		"keys":          "SELECT letter FROM key WHERE bucket=1 AND hash=2 ORDER BY letter DESC LIMIT 5",
		"reports":       "SELECT k.hash FROM report_key k JOIN report r ON r.id=k.report WHERE k.hash IN (1, 2) AND k.report>=0",
		"events":        "SELECT id FROM event WHERE letter=1 ORDER BY id DESC LIMIT 5",
		"deaths":        "SELECT id FROM death WHERE letter=1 ORDER BY id DESC LIMIT 5",
		"hours":         "SELECT hour, rule, sum(n) FROM hour WHERE hour>=1 AND n>0 GROUP BY hour, rule",
		"newest replay": "SELECT outcome FROM replay WHERE letter=1 ORDER BY number DESC LIMIT 1",
		"full text":     "SELECT rowid FROM search WHERE search MATCH 'a' AND rowid<9 AND rowid>=1 ORDER BY rowid DESC LIMIT 5",
	} {
		plan := s.plan(t, query, nil)
		for line := range strings.Lines(plan) {
			if strings.Contains(line, "SCAN") && !strings.Contains(line, "VIRTUAL TABLE INDEX") {
				t.Errorf("%s:\n%s", name, plan)
			}
		}
	}
}

// Pages put together are the whole list, once each, newest first, while letters come in on top.
func TestPagesWhileLettersArrive(t *testing.T) {
	s := open(t, Options{})
	many(t, s, 3000)
	for name, f := range shapes() {
		want := list2(t, s, f, 500)
		got := []int64{}
		cursor, rnd := "", rand.New(rand.NewPCG(1, 2))
		offset := s.mem.places[queueOf("pay")].pos.Next
		for i := 0; ; i++ {
			p, err := s.Letters(t.Context(), f, cursor, 1+rnd.IntN(300))
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range p.Items {
				got = append(got, l.ID)
			}
			if i < 3 {
				admit(t, s, batchOf("pay", offset, offset+5))
				offset += 5
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-one page +pages):\n%s", name, diff)
		}
	}
}

// list2 returns the ids of all letters of a filter by large pages.
func list2(t *testing.T, s *Store, f dlq.Filter, limit int) []int64 {
	t.Helper()
	ids := []int64{}
	cursor := ""
	for {
		p, err := s.Letters(t.Context(), f, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range p.Items {
			ids = append(ids, l.ID)
		}
		if cursor = p.Next; cursor == "" {
			return ids
		}
	}
}

func TestCursor(t *testing.T) {
	s := open(t, Options{})
	many(t, s, 200)
	f := dlq.Filter{ConsumerGroups: []string{"pay", "stock"}, Reasons: []string{"network_timeout"}}
	p, err := s.Letters(t.Context(), f, "", 3)
	if err != nil || p.Next == "" {
		t.Fatal(p, err)
	}
	same := f
	same.ConsumerGroups = []string{"stock", "pay", "pay"}
	if _, err := s.Letters(t.Context(), same, p.Next, 3); err != nil {
		t.Errorf("the same filter in another order: %v", err)
	}
	for name, tt := range map[string]struct {
		f dlq.Filter
		c string
	}{
		"another filter": {dlq.Filter{}, p.Next},
		"nonsense":       {f, "nonsense!"},
		"too short":      {f, p.Next[:10]},
		"too long":       {f, p.Next + "AAAA"},
		"zero seq":       {f, cursor{}.text(&f)},
		"negative":       {f, cursor{seq: -5}.text(&f)},
	} {
		if _, err := s.Letters(t.Context(), tt.f, tt.c, 3); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, err := s.Letters(t.Context(), dlq.Filter{}, "", 0); err != nil || len(p.Items) != defaultPage {
		t.Errorf("no limit: %d letters, %v", len(p.Items), err)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(cursor{seq: 5, total: dlq.Count{Count: 3, Exact: true}}.text(&dlq.Filter{}))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readCursor(text, &dlq.Filter{})
		if err == nil && text != "" && c.text(&dlq.Filter{}) != text && c.seq <= 0 {
			t.Errorf("%q is taken for %+v", text, c)
		}
	})
}

// Where no index leads to the letters, a page looks at so many, says so, and goes on below them.
func TestExaminedCap(t *testing.T) {
	s := open(t, Options{})
	many(t, s, examineCap+4000)
	// Open letters without an outcome are all of them but the two oldest, which a page must look far for.
	for _, id := range []int64{1, 2} {
		claim(t, s, id, dlq.Replay{ID: fmt.Sprint("r", id), ConsumerGroup: "pay"})
		apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerLost, To: dlq.StateOpen})
	}
	f := dlq.Filter{Outcomes: []dlq.Outcome{dlq.OutcomeWaiting}}
	p, err := s.Letters(t.Context(), f, "", 50)
	if err != nil || len(p.Items) != 0 || p.Examined != examineCap || p.Next == "" || p.Total.Exact || p.Total.Count != 0 {
		t.Fatalf("first page: %d letters, examined %d, next %q, total %+v, %v", len(p.Items), p.Examined, p.Next, p.Total, err)
	}
	p, err = s.Letters(t.Context(), f, p.Next, 50)
	if err != nil || len(p.Items) != 2 || p.Examined != 0 || p.Next != "" {
		t.Fatalf("second page: %d letters, examined %d, next %q, %v", len(p.Items), p.Examined, p.Next, err)
	}
	// A page that is full before the cap is not bent by it.
	nobody := dlq.Filter{Owners: []string{""}}
	p, err = s.Letters(t.Context(), nobody, "", 50)
	if err != nil || len(p.Items) != 50 || p.Examined != 0 || p.Total != (dlq.Count{Count: countCap}) {
		t.Fatalf("full page: %d letters, examined %d, total %+v, %v", len(p.Items), p.Examined, p.Total, err)
	}
	if next, err := s.Letters(t.Context(), nobody, p.Next, 50); err != nil || next.Total != p.Total {
		t.Errorf("the total of the second page is %+v, that of the first %+v, %v", next.Total, p.Total, err)
	}
	// One in a thousand is found by its own index, and counted exactly.
	rare := dlq.Filter{Rules: []string{"rare rule"}}
	if p, err = s.Letters(t.Context(), rare, "", 50); err != nil || p.Examined != 0 || !p.Total.Exact || p.Total.Count != 24 || len(p.Items) != 24 {
		t.Errorf("rare: %d letters, examined %d, total %+v, %v", len(p.Items), p.Examined, p.Total, err)
	}
}

// Letters of several queues do not arrive in the order of their deaths; windows of time still find all of them.
func TestTimeWindows(t *testing.T) {
	s := open(t, Options{})
	start := newClock().t
	for q, g := range []string{"a", "b", "c"} {
		b := batchOf(g, 0, 48)
		for i := range b.Arrivals {
			b.Arrivals[i].Message.StoredAt = start.Add(time.Duration(i)*30*time.Minute + time.Duration(q)*time.Minute)
		}
		admit(t, s, b)
	}
	for _, hours := range [][2]int{{0, 24}, {0, 1}, {3, 4}, {23, 30}, {-5, 0}, {30, 40}, {5, 5}} {
		after, before := start.Add(time.Duration(hours[0])*time.Hour), start.Add(time.Duration(hours[1])*time.Hour)
		p := list(t, s, dlq.Filter{DiedAfter: &after, DiedBefore: &before})
		want := max(0, min(hours[1], 24)-max(hours[0], 0)) * 2 * 3
		if len(p.Items) != want || p.Total != (dlq.Count{Count: int64(want), Exact: true}) {
			t.Errorf("hours %v: %d letters, total %+v, want %d", hours, len(p.Items), p.Total, want)
		}
	}
	n, err := s.SameFailures(t.Context(), "fff0000000000001", start.Add(23*time.Hour))
	if err != nil || n != 3 {
		t.Errorf("same failures since: %d, %v, want 3", n, err)
	}
	for _, unknown := range []string{"", "fff0000000000009", "xyz"} {
		if n, err := s.SameFailures(t.Context(), unknown, start); err != nil || n != 0 {
			t.Errorf("same failures of %q: %d, %v", unknown, n, err)
		}
	}
}

func TestSummaryAndHits(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	admit(t, s, batchOf("pay", 0, 6))
	c.add(2 * time.Hour)
	admit(t, s, batchOf("stock", 3, 6))
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded, Event: dlq.Event{Kind: dlq.EventDiscarded}})
	sum, err := s.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	oldest := newClock().t.Add(time.Second)
	hours := make([]int64, 24)
	hours[21], hours[23] = 6, 3
	want := dlq.Summary{
		Tabs:       map[dlq.Tab]int64{dlq.TabAttention: 8, dlq.TabInFlight: 0, dlq.TabSnoozed: 0, dlq.TabResolved: 0, dlq.TabDiscarded: 1},
		States:     map[dlq.State]int64{dlq.StateOpen: 8, dlq.StateDiscarded: 1, dlq.StateSnoozed: 0, dlq.StateScheduled: 0, dlq.StateSending: 0, dlq.StateAwaiting: 0, dlq.StateCompensating: 0, dlq.StateResolved: 0},
		OldestOpen: &oldest, Arrived24h: 9, ArrivedHours: hours, SearchLag: 9, Letters: 9, LastEvent: 10,
	}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	hits, err := s.RuleHits(t.Context())
	if err != nil || len(hits) != 3 {
		t.Fatal(hits, err)
	}
	for _, h := range hits {
		if h.Total != 3 || h.Day != 3 || h.Hours[21] != 2 || h.Hours[23] != 1 {
			t.Errorf("%+v", h)
		}
	}
	c.add(23 * time.Hour)
	if sum, err = s.Summary(t.Context()); err != nil || sum.Arrived24h != 3 || sum.ArrivedHours[0] != 3 {
		t.Errorf("a day later: %+v, %v", sum, err)
	}
}

// Readers, people and intake at once: nobody waits for ever, and everything agrees at the end.
func TestAllAtOnce(t *testing.T) {
	s := open(t, Options{})
	many(t, s, 1000)
	ctx, stop := context.WithCancel(t.Context())
	var background, all sync.WaitGroup
	background.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, g := range []string{"pay", "stock", "mail"} {
		all.Go(func() {
			from := s.mem.placeOf(queueOf(g))
			for range 30 {
				if err := <-s.Admit(ctx, []dlq.AdmitBatch{batchOf(g, from, from+40)}); err != nil {
					t.Error(err)
					return
				}
				from += 40
			}
		})
	}
	for person := range 3 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(person), 9))
			for range 150 {
				id := 1 + rnd.Int64N(1000)
				_, err := s.Apply(ctx, dlq.Change{LetterID: id, Trigger: pick(rnd, triggers), To: pick(rnd, dlq.States), Event: dlq.Event{Kind: dlq.EventNoted, Actor: "ann"}})
				if code := dlq.CodeOf(err); err != nil && code != dlq.CodeRefused && code != dlq.CodeConflict && code != dlq.CodeInvalid {
					t.Error(err)
				}
			}
		})
	}
	filters := shapes()
	filters["text"] = dlq.Filter{Query: "库存 PAY-pay-7"}
	for name, f := range filters {
		all.Go(func() {
			for range 20 {
				if _, err := s.Letters(ctx, f, "", 50); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := s.Facets(ctx, f); err != nil {
					t.Error(err)
				}
				if _, err := s.Detail(ctx, 5); err != nil {
					t.Error(err)
				}
				if _, err := s.Summary(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		if err := s.outside(ctx, func() error {
			s.gate.Lock()
			defer s.gate.Unlock()
			_, err := pragmaCheckpoint(s.conn, "TRUNCATE")
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	stop()
	background.Wait()
	indexAll(t, s)
	s.recount(t)
	s.checkFile(t)
	if n := s.number(t, "SELECT count(*) FROM search"); n != 1000+3*30*40 {
		t.Errorf("full text knows %d letters", n)
	}
	if !slices.Equal(list2(t, s, dlq.Filter{}, 500), list2(t, s, dlq.Filter{}, 77)) {
		t.Error("pages of two sizes differ")
	}
}

func (m *memory) placeOf(q dlq.Queue) int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.places[q].pos.Next
}

// The log is emptied when it is over its limit, while readers go on.
func TestCheckpoint(t *testing.T) {
	s := open(t, Options{})
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Letters(ctx, dlq.Filter{}, "", 50); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	largest := 0.0
	for from := int64(0); from < 3000; from += 100 {
		b := batchOf("pay", from, from+100)
		for i := range b.Arrivals {
			b.Arrivals[i].Message.Body = make([]byte, 64<<10)
		}
		admit(t, s, b)
		largest = max(largest, fileSize(s.path+"-wal"))
	}
	stop()
	readers.Wait()
	if largest > 2*walLimit {
		t.Errorf("the log grew to %.0f bytes over 190 MB of letters", largest)
	}
	for patience := time.After(time.Minute); fileSize(s.path+"-wal") >= walLimit; { // though nobody writes any more
		select {
		case <-patience:
			t.Fatal("the log stays over its limit")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if size := fileSize(s.path); size < 100<<20 {
		t.Errorf("the file has %.0f bytes: nothing was checkpointed", size)
	}
}
