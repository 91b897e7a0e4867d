// Package containment carries out the containment of a compromised EC2 instance, and
// its release. It knows EC2's rules and none of its API: package vpc acts on EC2 for
// it, package ledger remembers for it, package plan works out what to do.
//
// # Why two kinds of step
//
// A security group tracks connections. Once a flow is tracked, taking away the rule
// that let it in, or the whole group, does not stop it: its packets pass until the
// tracking entry times out, for an idle TCP connection up to five days later. A
// reverse shell is such a flow. So a quarantine alone only keeps out those who are not
// in yet. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html
//
// A network ACL does not track anything and cuts a flow at its next packet, but it
// stands before a whole subnet, often several. So a denial is for one remote peer of a
// finding and nobody else, below the first entry that would let the peer through, in
// both directions. Where an ACL has no room for each peer, and only if an operator
// allows it, one denial covers peers that are near each other.
//
// # How a containment goes
//
// [Responder.Contain] is the product. It repeats one round until an observation shows
// nothing left to do:
//
//	observe  network and ledger, side by side
//	decide   whether to act, by package policy
//	plan     package plan, a function of what was observed and is known
//	record   the plan with the original groups, in one transaction, and in tags
//	apply    every missing step at once
//
// The second round's observation is the proof that the first one worked, and its record
// marks the steps as applied. It does not read what the ledger has just taken: the ledger
// refuses that record when somebody else has written meanwhile. Where there is nothing to
// record, the ledger is read after all, before anything is done. A crash after any call
// leaves a state that the next observation and plan start from; a lost race is an
// observation that finds more done.
// Nothing depends on the answer of a change: only what an observation shows counts.
//
// # When EC2 throttles
//
// In a burst of findings reads use up EC2's buckets of requests, and not changes. Once EC2
// has throttled a call, saving calls matters more than saving round trips. The ledger is
// then read first, an instance that is on record is looked at with fewer calls, and an
// incident whose peers others have just had denied joins them without a look at all
// (package plan, Join). Reconcile and expire look at many instances at once, and act on one
// only after a look at that one.
//
// # How it is undone
//
// [Releaser.Release] goes the same way backwards: observe, plan, record, revert. It
// compares before it changes. A denial lingers while EC2 may still track the flow that
// it cuts, and [Releaser.Expire] removes it then. An entry is removed in two moves: its
// slot is marked first, so that nobody comes to hold it, and is free only once an
// observation shows the entry gone.
//
// [Reconciler.Reconcile] compares open containments with the world, and tightens.
//
// # Who gives way
//
// Findings of activity before a release give way to it, and it gives way to newer
// ones. A containment that overtakes a release may be followed by the release's last
// calls. It is not done until those can't come any more (plan.MaxInvocation). A release
// that finds a step which an invocation may yet apply stays open for as long.
//
// # What always holds
//
// The recorded original groups of an interface are written once: a plan that finds a
// record keeps the record's, whatever the interface has by now. No step opens anything.
// An ACL entry that the ledger does not hold is never taken for ours. A live denial is
// never given up to make room for another. Denials are shared: a slot lists the
// containments that need it.
//
// # What is left
//
// Each plan ends with its residual exposure: what may still flow, by kind, and why.
package containment
