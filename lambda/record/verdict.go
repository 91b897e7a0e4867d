package record

// Verdict is what was decided: to act, or a named reason not to.
type Verdict string

// The verdicts. Those after Admit are reasons not to act.
const (
	Contain       Verdict = "contain"
	Release       Verdict = "release"
	Reconcile     Verdict = "reconcile"
	Expire        Verdict = "expire"
	Watched       Verdict = "watch"
	Admit         Verdict = "admit"
	NotActionable Verdict = "not-actionable"
	Exempt        Verdict = "exempt"
	Sample        Verdict = "sample"
	OtherAccount  Verdict = "other-account"
	Held          Verdict = "held"
	ObservedOnly  Verdict = "observed" // observe mode, dry run
)
