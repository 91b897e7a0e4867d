package record

// A Result is what became of one step that comes beside the cut: of taking it, or of
// looking for it.
type Result struct {
	Made  []string // the ids of what the step has created, as they are shown
	Value []string // of the attribute that the step replaces, as it is shown; nil: it was not read
	Err   error    // why it failed; a network.Refusal is for good
}
