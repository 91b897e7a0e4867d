package record

// A Result is what became of one step that comes beside the cut.
type Result struct {
	Made []string // the ids of what the step has created
	Err  error    // why it failed; a network.Refusal is for good
}
