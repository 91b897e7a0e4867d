package containment

import (
	"fmt"
	"strings"
	"time"

	"tourniquet/lambda/record"
)

// An Outcome is what became of one incident.
type Outcome struct {
	Instance   string
	Verdict    record.Verdict
	Reason     string
	Was        record.Status // of the open containment before; empty when there was none
	Record     record.Record // zero when the verdict is not to act
	Unrecorded bool          // the ledger did not take it: tags hold the originals
	Applied    []string      // the steps that this invocation applied, in their order
	Contained  time.Time     // when the last change was made; zero when there was none
	Warnings   []string      // what failed beside the containment and doesn't lessen it

	// Owed is what the ledger owes to others for a containment that has settled. It is
	// what this run has had it write; a run before it that was cut off may have left more.
	Owed []record.Owed

	// ACLRoom is how many more entries, in the direction and address family that
	// has fewest left, the fullest ACL of the instance takes after the plan; nil
	// when no plan was made, or none of the ACLs is this account's.
	ACLRoom *int
}

// A PartialError says that steps of a containment, or of its release, are missing
// which a retry may still carry out. Everything else of it stands.
type PartialError struct {
	Doing    string // "containing" or "releasing"
	Instance string
	Missing  []string // the steps' ids
	Causes   []error
}

func (e *PartialError) Error() string {
	msg := fmt.Sprintf("%s %s: stopped with no step pending", e.Doing, e.Instance)
	if len(e.Missing) > 0 {
		msg = fmt.Sprintf("%s %s: %d steps still missing: %s", e.Doing, e.Instance, len(e.Missing), strings.Join(e.Missing, ", "))
	}
	for _, c := range e.Causes {
		msg += "; " + c.Error()
	}
	return msg
}

// Unwrap gives what kept the steps from being carried out.
func (e *PartialError) Unwrap() []error { return e.Causes }
