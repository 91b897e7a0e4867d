package containment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Restorer is what a release needs of Amazon EC2. Nothing of it is in EC2, so that
// what faces events has no means to loosen.
type Restorer interface {
	// Observe is that of EC2.
	Observe(ctx context.Context, t network.Target) (network.Network, error)

	// Revert undoes all steps side by side, and returns an error for each that EC2
	// did not take, in the steps' order. A Quarantine is undone by setting the
	// groups in Before, a Denial by removing its entry, a Tracking by setting the
	// timeouts in Before.
	Revert(ctx context.Context, steps []record.Step) []error

	// Untag removes tags, by resource. It removes as many as it can and joins the errors.
	Untag(ctx context.Context, keys map[string][]string) error

	// ACLs are all network ACLs of the account and Region.
	ACLs(ctx context.Context) ([]network.ACL, error)
}

// Book is what of the ledger is read beyond one instance's latest containment.
type Book interface {
	// Open names the instances with an open containment, sorted.
	Open(ctx context.Context) ([]string, error)

	// Slots are the slots of some VPCs.
	Slots(ctx context.Context, vpcs []string) ([]record.Slot, error)

	// Containment is one generation of an instance's containments; nil when the
	// ledger doesn't have it.
	Containment(ctx context.Context, instance string, generation int) (*record.Record, error)
}

// ErrNotContained says that an instance has no containment, neither in the ledger
// nor in tags.
var ErrNotContained = errors.New("has no containment on record, and no interface in quarantine that says what its groups were")

// Releaser releases instances: it undoes their containments from the record.
type Releaser struct {
	EC2    Restorer
	Ledger Ledger
	Book   Book
	Log    *slog.Logger
	Now    func() time.Time

	// DenialTTL is the age at which denials of a contained instance expire that
	// nothing needs any more; zero: never. See NewExpiry.
	DenialTTL time.Duration

	// LedgerWait bounds each call of the ledger. Without the ledger nothing is
	// released: the next reconcile would find the record and contain again.
	LedgerWait time.Duration
}

// An Ask is what a person asks to be released.
type Ask struct {
	Instance string
	Reason   string // who asked and why, for people
	Request  string // the invocation's request id
	Force    bool   // remove denials whose flows may revive
	DryRun   bool   // say what would be done
}

// Release undoes the containment of an instance: look, plan, record, revert, and
// the same again until a look shows nothing left to do. It restores the recorded
// groups of each interface and removes the denials that nobody needs any more, as
// far as they still look as recorded; the rest it reports and leaves alone. Called
// again, it goes on where it was cut off, and does nothing for what is released.
func (r *Releaser) Release(ctx context.Context, ask Ask) (Outcome, error) {
	return r.start(ask, 0, record.Release).run(ctx)
}

func (r *Releaser) start(ask Ask, generation int, why record.Verdict) *releasing {
	return &releasing{Releaser: r, ask: ask, generation: generation, verdict: why, began: r.Now().UTC(), taken: taken{}}
}
