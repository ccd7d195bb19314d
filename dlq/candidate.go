package dlq

// Candidate is a stored letter with all that rules ask of it, so that other rules can judge it again.
type Candidate struct {
	LetterID int64
	Seq      int64       // place in the order of deaths; falls from one to the next
	Message  DeadMessage // newest dead copy
	Report   *Report     // newest report about it, nil for none
	Judged   Judgement   // by which it was judged last: its deaths and replays of then, and the time
}
