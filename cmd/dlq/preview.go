package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"deadletteroffice/dlq"
)

// table prints aligned columns; cells of a row are separated by tabs.
func table(w io.Writer, header string, rows []string) {
	if len(rows) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, r := range rows {
		fmt.Fprintln(t, r)
	}
	_ = t.Flush() // what cannot be written is lost in any case
	fmt.Fprintln(w)
}

// shown keeps what comes out of messages and from people within one cell: no control characters, not too long.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return text
}

func clock(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") }

// printPreview prints what an operation would do.
func printPreview(w io.Writer, o dlq.Operation) {
	p := o.Preview
	if p == nil {
		fmt.Fprintf(w, "Operation %d has no preview.\n", o.Number)
		return
	}
	fmt.Fprintf(w, "%d letters match; %d would be replayed, %d skipped.\n\n", p.Letters, p.Eligible, p.Letters-p.Eligible)
	table(w, "SKIPPED BECAUSE\tLETTERS", countRows(p.Skipped))
	var rows []string
	for _, c := range p.Consumers {
		online, lag := "offline", "?"
		if c.Group.Online {
			online = "online"
		}
		if c.Group.Lag >= 0 {
			lag = strconv.FormatInt(c.Group.Lag, 10)
		}
		if c.Error != "" {
			online, lag = "unknown: "+shown(c.Error), "?"
		}
		rows = append(rows, fmt.Sprintf("%s\t%d\t%s\t%s\t%s", shown(c.Group.Name), c.Letters, c.Group.Kind, online, lag))
	}
	table(w, "CONSUMER GROUP\tLETTERS\tKIND\tNOW\tLAG", rows)
	rows = nil
	for _, d := range p.Doors {
		door := string(d.Door)
		if door == "" {
			door = "none"
		}
		who := strings.Join(d.Receivers, ", ")
		if !d.Complete {
			who += " and perhaps others"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s", shown(d.ConsumerGroup), door, d.Why, shown(who), d.Letters, strings.Join(d.Warnings, ", ")))
	}
	letters := "LETTERS"
	if p.Examined < p.Letters {
		letters = fmt.Sprintf("OF THE FIRST %d", p.Examined)
	}
	table(w, "CONSUMER GROUP\tDOOR\tWHY\tWHO GETS IT\t"+letters+"\tWARNINGS", rows)
	table(w, "TOPIC\tLETTERS", facetRows(p.Topics))
	table(w, "REASON\tLETTERS", facetRows(p.Reasons))
	table(w, "ROUTE\tLETTERS", facetRows(p.Routes))
	rows = nil
	for _, c := range p.Causes {
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%s\t%s", c.Fingerprint, c.Letters, c.SameLast5m, shown(c.Reason), shown(c.ReasonText)))
	}
	table(w, "FAILURE GROUP\tLETTERS\tDIED IN THE LAST 5 MINUTES\tREASON\tTEXT", rows)
	printRisks(w, p)
	printManner(w, o)
}

// printRisks prints what a person should know before it starts.
func printRisks(w io.Writer, p *dlq.OperationPreview) {
	if p.OldestDied != nil && p.NewestDied != nil {
		fmt.Fprintf(w, "They died between %s and %s.\n", clock(*p.OldestDied), clock(*p.NewestDied))
	}
	of := ""
	if p.Examined < p.Letters {
		of = fmt.Sprintf(", of the first %d", p.Examined)
	}
	for _, r := range []struct {
		n    int64
		what string
	}{
		{p.NearExpiry, "are near their expiry"}, {p.ReplayedBefore, "were replayed before"}, {p.FailedAgain, "failed again after a replay"},
		{p.Quarantined, "are quarantined"}, {p.Stale, "are older than the limit of their topic"},
		{p.Duplicates, "may be duplicates: the consumer group has confirmed the same key later" + of},
		{p.OrderRisk, "carry a sharding key whose later messages went through already" + of},
		{p.TransformErrors, "cannot be transformed" + of},
	} {
		if r.n > 0 {
			fmt.Fprintf(w, "%d %s.\n", r.n, r.what)
		}
	}
	if p.BrokerError != "" {
		fmt.Fprintf(w, "The broker could not be asked: %s\n", shown(p.BrokerError))
	}
}

// printManner prints how fast and how carefully it would act.
func printManner(w io.Writer, o dlq.Operation) {
	s := o.Spec
	pace := "as fast as it goes"
	if s.Pace.Rate > 0 {
		pace = fmt.Sprintf("%g letters per second and consumer group", s.Pace.Rate)
		if s.Pace.RampUp > 0 {
			pace += fmt.Sprintf(", rising over %s", s.Pace.RampUp)
		}
	}
	fmt.Fprintf(w, "Pace: %s", pace)
	if p := o.Preview; p != nil && p.DurationEstimate > 0 {
		fmt.Fprintf(w, "; it takes about %s", p.DurationEstimate)
	}
	fmt.Fprintln(w, ".")
	canary := o.CanaryLetters
	if o.State == dlq.OperationDraft { // then it is not counted yet
		canary = max(s.Canary.Letters, int64(math.Ceil(float64(o.Letters)*s.Canary.Percent/100)))
	}
	if canary > 0 {
		fmt.Fprintf(w, "Canary: %d of them first; the others when these came good.\n", min(canary, o.Letters))
	}
	if s.Brake.Of > 0 {
		fmt.Fprintf(w, "Brake: it pauses when more than %g %% of the last %d outcomes failed again.\n", s.Brake.Above, s.Brake.Of)
	}
	if s.Window != nil {
		fmt.Fprintf(w, "Window: %s to %s.\n", s.Window.From, s.Window.To)
	}
}

func countRows(counts map[string]int64) (rows []string) {
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		rows = append(rows, fmt.Sprintf("%s\t%d", why, counts[why]))
	}
	return rows
}

func facetRows(list []dlq.Facet) (rows []string) {
	for _, f := range list {
		rows = append(rows, fmt.Sprintf("%s\t%d", shown(f.Value), f.Count))
	}
	return rows
}

// progress says in one line how an operation stands.
func progress(o dlq.Operation) string {
	var b strings.Builder
	b.WriteString(string(o.State))
	switch {
	case o.State == dlq.OperationPaused:
		fmt.Fprintf(&b, " (%s)", pauseWords(o))
	case o.End != dlq.EndNone && o.End != dlq.EndCompleted:
		fmt.Fprintf(&b, " (%s)", o.End)
	case o.State.Acts() && o.WaitsFor != "":
		fmt.Fprintf(&b, " (waits: %s)", o.WaitsFor)
	}
	fmt.Fprintf(&b, "  %d of %d", o.Letters-o.Counts[dlq.ItemPending], o.Letters)
	for _, s := range dlq.ItemStates {
		if n := o.Counts[s]; n > 0 && s != dlq.ItemPending {
			fmt.Fprintf(&b, "  %s %d", strings.ReplaceAll(string(s), "_", " "), n)
		}
	}
	if o.Rate > 0 {
		fmt.Fprintf(&b, "  %.1f/s", o.Rate)
	}
	if o.DoneAt != nil && o.State == dlq.OperationRunning && o.WaitsFor == "" {
		fmt.Fprintf(&b, "  last letter about %s", o.DoneAt.Local().Format(time.TimeOnly))
	}
	return b.String()
}

// pauseWords says why an operation is paused.
func pauseWords(o dlq.Operation) string {
	words, because := strings.ReplaceAll(string(o.Cause), "_", " "), o.Because
	if because["failed"] != "" {
		words += fmt.Sprintf(": %s of %s failed again, and %s %% is the limit", because["failed"], because["of"], because["above"])
	}
	if because["fingerprint"] != "" {
		words += fmt.Sprintf("; most often %s, failure group %s", shown(because["reason"]), because["fingerprint"])
	}
	if o.OpensAt != nil {
		words += ": opens " + clock(*o.OpensAt)
	}
	return words
}

func printOperations(w io.Writer, page dlq.OperationPage) {
	if len(page.Items) == 0 {
		fmt.Fprintln(w, "No operations.")
		return
	}
	var rows []string
	for _, o := range page.Items {
		rows = append(rows, fmt.Sprintf("%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s", o.Number, o.Kind, o.State, o.Letters, o.Letters-o.Counts[dlq.ItemPending],
			o.Counts[dlq.ItemFailedAgain]+o.Counts[dlq.ItemSendFailed]+o.Counts[dlq.ItemUnknown], shown(o.Actor), clock(o.CreatedAt), shown(o.Note)))
	}
	table(w, "NUMBER\tKIND\tSTATE\tLETTERS\tTAKEN\tNOT GOOD\tWHO\tCREATED\tWHY", rows)
	if page.Next != "" {
		fmt.Fprintln(w, "There are more; --limit shows them.")
	}
}

// printOperation prints one operation with the newest of what happened to it.
func printOperation(w io.Writer, o dlq.Operation, log []dlq.OperationEvent) {
	fmt.Fprintf(w, "Operation %d (%s): %s, %s\n", o.Number, o.ID, o.Kind, progress(o))
	fmt.Fprintf(w, "By %s, %s: %s\n", shown(o.Actor), clock(o.CreatedAt), shown(o.Note))
	if o.Query != "" {
		fmt.Fprintf(w, "Letters: %s\n", shown(o.Query))
	}
	printManner(w, o)
	fmt.Fprintln(w)
	var rows []string
	for _, s := range dlq.ItemStates {
		if n := o.Counts[s]; n > 0 {
			rows = append(rows, fmt.Sprintf("%s\t%d", strings.ReplaceAll(string(s), "_", " "), n))
		}
	}
	table(w, "OUTCOME\tLETTERS", rows)
	rows = nil
	for _, e := range log {
		var detail []string
		for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
			detail = append(detail, k+" "+shown(e.Detail[k]))
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", clock(e.At), strings.ReplaceAll(e.Kind, "_", " "), shown(e.Actor), shown(e.Note), strings.Join(detail, ", ")))
	}
	table(w, "WHEN\tWHAT\tWHO\tWHY\tDETAIL", rows)
}
