package containment

import (
	"fmt"
	"strings"
	"time"
)

// An Outcome is what became of one incident.
type Outcome struct {
	Instance   string
	Verdict    Verdict
	Reason     string
	Record     Record    // zero when the verdict is not to act
	Unrecorded bool      // the ledger did not take it: tags hold the originals
	Contained  time.Time // when the last change was made; zero when there was none
	Warnings   []string  // what failed beside the containment and doesn't lessen it

	// ACLRoom is how many more entries, in the direction and address family that
	// has fewest left, the fullest ACL of the instance takes after the plan; nil
	// when no plan was made, or none of the ACLs is this account's.
	ACLRoom *int
}

// A PartialError says that steps of a containment are missing which a retry may
// still apply. Everything else of the containment stands.
type PartialError struct {
	Instance string
	Missing  []string // the steps' ids
	Causes   []error
}

func (e *PartialError) Error() string {
	msg := fmt.Sprintf("containing %s: stopped before anything was planned", e.Instance)
	if len(e.Missing) > 0 {
		msg = fmt.Sprintf("containing %s: %d steps still missing: %s", e.Instance, len(e.Missing), strings.Join(e.Missing, ", "))
	}
	for _, c := range e.Causes {
		msg += "; " + c.Error()
	}
	return msg
}

// Unwrap gives what kept the steps from being applied.
func (e *PartialError) Unwrap() []error { return e.Causes }
