package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/store"
)

// tried is how many letters the page tries a text on.
const tried = 10000

// rules measures what rules cost: a letter's verdict by a hundred of them beside the same written by hand, and what would
// change over the newest letters beside reading the same letters alone.
func (b *bench) rules(ctx context.Context) error {
	fmt.Printf("\nrules: a hundred of them; %d letters with bodies of 1 KB\n", tried)
	rules, text, err := hundredRules()
	if err != nil {
		return err
	}
	if err := b.verdicts(rules); err != nil {
		return err
	}
	live := classifier.NewLive()
	live.Swap(1, rules)
	s, err := store.Open(ctx, store.Options{Path: filepath.Join(b.dir, "rules.db"), Logger: quiet()})
	if err != nil {
		return err
	}
	defer s.Close()
	for group := range 10 {
		if err := admit(ctx, s, b.arrivals(fmt.Sprintf("bench-rules-%d", group), 0, tried/10, live)); err != nil {
			return err
		}
	}
	edited := strings.Replace(string(text), "- name: system_error\n    match: {reason: system_error}\n    route: manual", "- name: system_error\n    match: {reason: system_error, body.amount: {exists: true}}\n    route: retry", 1)
	var reading, judging []float64
	changed := 0
	for range b.rounds {
		began := time.Now()
		if _, err := walkBacklog(ctx, s, func([]dlq.Candidate) {}); err != nil {
			return err
		}
		reading = append(reading, time.Since(began).Seconds())
		began = time.Now()
		then, found := classifier.CompileText([]byte(edited))
		if then == nil {
			return fmt.Errorf("the edited rules: line %d: %s", found[0].Line, found[0].Message.English)
		}
		test, tally := classifier.NewBacktest(rules, then), classifier.NewTally()
		n, err := walkBacklog(ctx, s, func(list []dlq.Candidate) {
			shifts, _ := test.Judge(ctx, list) // its error is the context's, which the walk returns
			tally.Add(shifts)
		})
		if err != nil {
			return err
		}
		if n != tried || tally.Changed == 0 || tally.Changed == n {
			return fmt.Errorf("%d letters, of which %d change", n, tally.Changed)
		}
		judging, changed = append(judging, time.Since(began).Seconds()), tally.Changed
	}
	fmt.Printf("  reading the letters           %9.3f s\n", median(reading))
	fmt.Printf("  what would change (%d)      %9.3f s   ratio %5.2f   aim < 0.5 s\n", changed, median(judging), median(judging)/median(reading))
	return nil
}

// walkBacklog reads the newest letters in the chunks of the page.
func walkBacklog(ctx context.Context, s *store.Store, f func([]dlq.Candidate)) (n int, err error) {
	for before := int64(0); n < tried; {
		list, next, err := s.Backlog(ctx, before, 1000)
		if err != nil {
			return n, err
		}
		f(list)
		if n, before = n+len(list), next; next == 0 {
			break
		}
	}
	return n, nil
}

// verdicts judges letters of all reasons by the rules, and by the same written as a switch.
func (b *bench) verdicts(rules *classifier.Ruleset) error {
	const letters, rounds = 1000, 200
	list := make([]dlq.DeadMessage, letters)
	facts := make([]dlq.Facts, letters)
	for i := range list {
		list[i] = dlq.DeadMessage{ConsumerGroup: "bench", OriginalTopic: "bench-topic", Properties: properties(i, "bench-topic"), Body: body(i), ReconsumeTimes: 16}
		facts[i] = rules.Facts(&list[i], nil)
	}
	var engine, hand, whole []float64
	for range b.rounds {
		began := time.Now()
		for range rounds {
			for i := range list {
				if v := rules.Classify(&list[i], facts[i], dlq.Judgement{}); v.Route != dlq.RouteManual {
					return fmt.Errorf("letter %d goes to %s", i, v.Route)
				}
			}
		}
		engine = append(engine, float64(time.Since(began).Nanoseconds())/letters/rounds)
		began = time.Now()
		for range rounds {
			for i := range list {
				if byHand(&list[i], &facts[i]).Route != dlq.RouteManual {
					return fmt.Errorf("letter %d goes elsewhere by hand", i)
				}
			}
		}
		hand = append(hand, float64(time.Since(began).Nanoseconds())/letters/rounds)
		began = time.Now()
		for i := range list {
			rules.Judge(&list[i], nil, dlq.Judgement{})
		}
		whole = append(whole, float64(time.Since(began).Nanoseconds())/letters)
	}
	for i := range list { // both say the same
		if v, w := rules.Classify(&list[i], facts[i], dlq.Judgement{}), byHand(&list[i], &facts[i]); v.Rule != w.Rule {
			return fmt.Errorf("letter %d: %q by the rules, %q by hand", i, v.Rule, w.Rule)
		}
	}
	fmt.Printf("  a verdict by 100 rules        %9.0f ns\n", median(engine))
	fmt.Printf("  the same by a switch          %9.0f ns   ratio %5.2f\n", median(hand), median(engine)/median(hand))
	fmt.Printf("  with reason and fingerprint   %9.0f ns\n", median(whole))
	return nil
}

// byHand is what somebody would write in place of the hundred rules.
func byHand(m *dlq.DeadMessage, f *dlq.Facts) dlq.Verdict {
	v := dlq.Verdict{Rule: "everything else", Route: dlq.RouteManual, Severity: dlq.SeverityNormal}
	switch f.Reason {
	case "network_timeout", "system_error", "data_format_error", "business_validation_error", "payment_timeout", "inventory_shortage", "user_data_error":
		v.Rule = f.Reason
	case "reason_0", "reason_1", "reason_2", "reason_3", "reason_4", "reason_5", "reason_6", "reason_7", "reason_8",
		"reason_9", "reason_10", "reason_11", "reason_12", "reason_13", "reason_14", "reason_15", "reason_16", "reason_17",
		"reason_18", "reason_19", "reason_20", "reason_21", "reason_22", "reason_23", "reason_24", "reason_25", "reason_26",
		"reason_27", "reason_28", "reason_29", "reason_30", "reason_31", "reason_32", "reason_33", "reason_34", "reason_35",
		"reason_36", "reason_37", "reason_38", "reason_39", "reason_40", "reason_41", "reason_42", "reason_43", "reason_44",
		"reason_45", "reason_46", "reason_47", "reason_48", "reason_49", "reason_50", "reason_51", "reason_52", "reason_53",
		"reason_54", "reason_55", "reason_56", "reason_57", "reason_58", "reason_59", "reason_60", "reason_61", "reason_62",
		"reason_63", "reason_64", "reason_65", "reason_66", "reason_67", "reason_68", "reason_69", "reason_70", "reason_71",
		"reason_72", "reason_73", "reason_74", "reason_75", "reason_76", "reason_77", "reason_78", "reason_79", "reason_80",
		"reason_81", "reason_82", "reason_83", "reason_84", "reason_85", "reason_86", "reason_87", "reason_88", "reason_89",
		"reason_90", "reason_91":
		number := f.Reason[len("reason_"):]
		if strings.HasPrefix(m.ConsumerGroup, "group-"+number) && m.Properties["REGION"] == "region-"+number {
			v.Rule = "rule " + number
		}
	}
	return v
}
