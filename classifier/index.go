package classifier

// index sorts the rules that are on by the reasons that they ask for, so that a letter meets only those that could take it:
// most rules name reasons, and with a hundred of them nearly all differ.
func (r *Ruleset) index() {
	r.byReason, r.anyReason = map[string][]int32{}, nil
	for i := range r.rules {
		if r.rules[i].info.Off {
			continue
		}
		reasons := r.rules[i].reasons()
		for _, reason := range reasons {
			if list := r.byReason[reason]; len(list) == 0 || list[len(list)-1] != int32(i) { // a list may name one twice
				r.byReason[reason] = append(list, int32(i))
			}
		}
		if reasons == nil {
			r.anyReason = append(r.anyReason, int32(i))
		}
	}
}

// reasons are the only ones that the rule takes; nil when it takes others too, or numbers in any notation.
func (r *rule) reasons() []string {
	for i := range r.when {
		if c := r.when[i].clause; c != nil && c.field.name == "reason" && (c.op == "eq" || c.op == "in") && len(c.decs) == 0 {
			return c.texts
		}
	}
	return nil
}

// first is the place of the first rule that takes the letter, -1 for none, or when that cannot be found out within the steps
// that a letter may cost.
func (s *subject) first() int {
	named, others := s.rules.byReason[s.facts.Reason], s.rules.anyReason
next:
	for len(named)+len(others) > 0 {
		var i int32
		if len(others) == 0 || len(named) > 0 && named[0] < others[0] {
			i, named = named[0], named[1:]
		} else {
			i, others = others[0], others[1:]
		}
		rule := &s.rules.rules[i]
		for k := range rule.when {
			matched := rule.when[k].match(s)
			if s.spent() {
				return -1
			}
			if !matched {
				continue next
			}
		}
		return int(i)
	}
	return -1
}
