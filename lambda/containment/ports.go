package containment

import (
	"context"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// EC2 is what a containment needs of Amazon EC2.
type EC2 interface {
	// Observe reads the instance and all that decides its traffic. It is no error
	// when the instance does not exist: see network.Network.Exists.
	Observe(ctx context.Context, t network.Target) (network.Network, error)

	// Edges reads the edges of some subnets. One that EC2 does not show is not there. VPCs
	// are where they are, as far as that is known: it spares a turn.
	Edges(ctx context.Context, subnets, vpcs []string) (network.Edges, error)

	// Prepare sees to it that each VPC of the interfaces has a quarantine group, and
	// returns the groups by VPC. They have no rule once empty returns without an error.
	// It changes nothing that is in use by anybody but us.
	Prepare(ctx context.Context, seen network.Network) (groups map[string][]network.Quarantined, empty func(context.Context) error, err error)

	// Scarce reports whether EC2 throttles, so that saving a call gains more time than
	// saving a round trip.
	Scarce() bool

	// Tag sets tags, by resource. It sets as many as it can and joins the errors.
	Tag(ctx context.Context, tags map[string]map[string]string) error

	// Apply makes all changes side by side, and returns an error for each that EC2
	// did not accept, in the steps' order. A network.Refusal is for good; after any
	// other error, and after none, only an observation tells what became of the step.
	Apply(ctx context.Context, steps []record.Step) []error
}

// Measures carry out steps that come beside the cut: on the host, against termination,
// for evidence. Nothing waits for them before an instance is contained.
type Measures interface {
	// Take makes changes side by side. Its results are in the steps' order.
	Take(ctx context.Context, steps []record.Step) []Result
}

// A Result is what became of one step that comes beside the cut.
type Result = record.Result

// Keeping looks for what steps beside the cut replace or have made, where no observation
// of the network shows it.
type Keeping interface {
	// Look reads what each step is about. Its results are in the steps' order: a value
	// without an element says that there is none.
	Look(ctx context.Context, steps []record.Step) []Result
}

// Keeper undoes what keeps an instance and its evidence.
type Keeper interface {
	Keeping

	// Revert undoes steps; see Restorer.
	Revert(ctx context.Context, steps []record.Step) []error
}

// Fleet is what is needed of EC2 beyond one instance.
type Fleet interface {
	// Survey observes many instances, in calls that grow with the pages of EC2's answers.
	// It leaves out those of which it can't make sense: Observe says why.
	Survey(ctx context.Context, targets []network.Target) (map[string]network.Network, error)

	// Quarantined names the instances with an interface in a quarantine group, sorted.
	Quarantined(ctx context.Context) ([]string, error)

	// Provision sees to it that each VPC has a quarantine group without rules, so
	// that a containment finds it ready.
	Provision(ctx context.Context) error

	// ProvisionIsolation sees to it that each VPC with a subnet that may be isolated has a
	// network ACL for that, and returns those of our ACLs that somebody gave an entry.
	ProvisionIsolation(ctx context.Context) (changed []string, err error)
}

// Restorer is what a release needs of Amazon EC2. None of its methods is in EC2, so
// that the function that faces events has no means to loosen anything.
type Restorer interface {
	// Observe is that of EC2, and Survey that of Fleet.
	Observe(ctx context.Context, t network.Target) (network.Network, error)
	Survey(ctx context.Context, targets []network.Target) (map[string]network.Network, error)

	// Edges is that of EC2.
	Edges(ctx context.Context, subnets, vpcs []string) (network.Edges, error)

	// Revert undoes all steps side by side, and returns an error for each that EC2
	// did not accept, in the steps' order. A replacement is undone by setting the
	// value in Before, a denial by removing its entry.
	Revert(ctx context.Context, steps []record.Step) []error

	// Untag removes tags, by resource. It removes as many as it can and joins the errors.
	Untag(ctx context.Context, keys map[string][]string) error

	// DescribeGroups are security groups by id, as far as they exist.
	DescribeGroups(ctx context.Context, ids []string) ([]network.Group, error)

	// ACLs are all network ACLs of the account and Region.
	ACLs(ctx context.Context) ([]network.ACL, error)
}

// Ledger is the durable account of containments.
type Ledger interface {
	// Load reads the latest containment of an instance, the slots of some VPCs and
	// what the guard counts, as of one moment after every change that Commit has
	// reported done. ErrNewerRecord when a later version of this program wrote them.
	Load(ctx context.Context, instance string, vpcs []string) (record.Known, error)

	// Commit writes a change, all of it or none. ErrConflict when the ledger has
	// moved on since the change was planned; ErrGuard when the change would exceed its limit.
	Commit(ctx context.Context, c record.Change) error

	// Asked is when a command of a request id was first handled: now, or when an
	// earlier invocation of the same request said so.
	Asked(ctx context.Context, instance, request string, now time.Time) (time.Time, error)

	// Note adds a line to an instance's history, and what must be told of it. The same
	// line twice is one, and owes nothing a second time.
	Note(ctx context.Context, e record.Event, owed ...record.Owed) error
}

// Leases keep others out for a while.
type Leases interface {
	// Lease takes a lease or renews the holder's own. A *record.LeasedError says who has it.
	Lease(ctx context.Context, name, holder string, now, until time.Time) error

	// EndLease gives a lease back.
	EndLease(ctx context.Context, name, holder string) error
}

// Book is what of the ledger is read beyond one instance's latest containment.
type Book interface {
	// Open names the instances with an open containment, sorted. When some can't be
	// read, the others come with an error that record.Unreadable takes apart.
	Open(ctx context.Context) ([]string, error)

	// Slots are the slots of some VPCs, sorted. When some can't be read, the others
	// come with an error that record.Unreadable takes apart.
	Slots(ctx context.Context, vpcs []string) ([]record.Slot, error)

	// Containment is one generation of an instance's containments; nil when the
	// ledger doesn't have it.
	Containment(ctx context.Context, instance string, generation int) (*record.Record, error)

	// VPCs are those that are marked, sorted: each that has slots of a containment which
	// is not open any more, and maybe others. Errors are as those of Open.
	VPCs(ctx context.Context) ([]string, error)

	// MarkVPC marks a VPC, or takes the mark away.
	MarkVPC(ctx context.Context, vpc string, used bool) error
}
