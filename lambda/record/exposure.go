package record

// An Exposure is traffic that may still flow after containment, and why.
type Exposure struct {
	Kind   ExposureKind
	Detail string // for people; names the interface, subnet, ACL or peer
}

// ExposureKind is the kind of a residual exposure.
type ExposureKind string

// Exposure that no step of ours can remove.
const (
	// SameSubnetPeer: network ACLs are evaluated only where traffic enters or
	// leaves a subnet, and the peer is inside.
	SameSubnetPeer ExposureKind = "same-subnet-peer"
	// SharedInfrastructurePeer: a load balancer, NAT gateway, endpoint or the
	// like has the address; denying it would cut the whole subnet off from it.
	SharedInfrastructurePeer ExposureKind = "shared-infrastructure-peer"
	// ExemptPeer: the configuration forbids denying the address.
	ExemptPeer ExposureKind = "exempt-peer"
	// UndeniablePeer: the address is unspecified, loopback, link-local, multicast or
	// broadcast, the instance's own, or that of a service that no ACL filters.
	UndeniablePeer ExposureKind = "undeniable-peer"
	// OwnInstancePeer: an instance or interface of this account has the address. It
	// is denied like any other peer, and may be compromised too.
	OwnInstancePeer ExposureKind = "own-instance-peer"
	// UnreadablePeer: the finding's remote address can't be read.
	UnreadablePeer ExposureKind = "unreadable-peer"
	// UnreadableFinding: a part of a finding that may name a peer can't be read.
	UnreadableFinding ExposureKind = "unreadable-finding"
	// UnknownPeers: flows that were established before, with addresses that no
	// finding names, go on until EC2 stops tracking them.
	UnknownPeers ExposureKind = "unknown-peers"
	// OneDirection: only one direction of the ACL had room. An established
	// connection is cut; datagrams that need no answer pass the other way.
	OneDirection ExposureKind = "one-direction"
	// MayRevive: a denial was removed by force while a connection may still be tracked.
	MayRevive ExposureKind = "may-revive"
	// UnclaimedDenial: an entry denies a peer, and only tags say that it may be ours.
	UnclaimedDenial ExposureKind = "unclaimed-denial"
	// LeftOut: the record has no room for all that was found out; what was left out is
	// in the history, or in the findings themselves.
	LeftOut ExposureKind = "left-out"
	// ResolverDNS: neither groups nor ACLs filter the VPC's resolver, so that
	// a DNS tunnel goes on.
	// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
	ResolverDNS ExposureKind = "resolver-dns"
	// SecondaryInterface: an interface in a secondary network has neither security
	// groups nor a network ACL.
	SecondaryInterface ExposureKind = "secondary-interface"
	// HostNotManaged: Systems Manager can't reach the host, so that nothing was done
	// on it.
	HostNotManaged ExposureKind = "host-not-managed"
	// HostUnconfirmed: no result has come of the command to the host, the one that
	// isolates it or, after a release, the one that takes its own rules away.
	HostUnconfirmed ExposureKind = "host-unconfirmed"
	// HostReports: what the host says of its own rules. A compromised host may say
	// anything, so that it proves nothing, and a reboot clears the rules.
	HostReports ExposureKind = "host-reports"
	// SurvivingPeer: the flow logs show packets that passed between the instance and an
	// address after the cut.
	SurvivingPeer ExposureKind = "survivor"
	// QuarantineLeaks: the flow logs show a connection that was begun after the cut.
	QuarantineLeaks ExposureKind = "quarantine-leaks"
	// IsolationNotAllowed: a subnet that should be isolated is not, or not wholly: its
	// owner's tag or an ACL without entries is missing, or somebody else is in it.
	IsolationNotAllowed ExposureKind = "isolation-not-allowed"
	// SubnetShared: an interface of somebody else is in a subnet that is isolated.
	SubnetShared ExposureKind = "subnet-shared"
	// IMDSCredentials: the instance goes on to fetch its role's credentials, or has some
	// that are valid for a while.
	IMDSCredentials ExposureKind = "imds-credentials"
	// ForensicsAdmitted: a person has let groups of the owner's in beside the quarantine
	// group, and their rules say what may flow.
	ForensicsAdmitted ExposureKind = "forensics-admitted"
	// MayBeTerminated: somebody else may terminate the instance, and the evidence goes
	// with it: its Auto Scaling group, Karpenter, EKS, or EC2 itself.
	MayBeTerminated ExposureKind = "may-be-terminated"
)

// Exposure that makes a containment partial: a step that should be there is not.
const (
	// UnchangeableInterface: another service manages the interface, or EC2
	// refuses to change it.
	UnchangeableInterface ExposureKind = "unchangeable-interface"
	// ACLFull: the ACL's quota of entries is used up.
	ACLFull ExposureKind = "acl-full"
	// NoSlotBelowAllow: no free number is left below the entry that allows the peer.
	NoSlotBelowAllow ExposureKind = "no-slot-below-allow"
	// ForeignACL: in a shared VPC only the owner's account can change the ACL.
	ForeignACL ExposureKind = "foreign-acl"
	// OmittedPeers: there are more peers than a record keeps.
	OmittedPeers ExposureKind = "omitted-peers"
	// RecordFull: the containment needs more denials than its record can hold.
	RecordFull ExposureKind = "record-full"
	// FailedStep: EC2 refuses the step for a reason of another kind.
	FailedStep ExposureKind = "failed-step"
)

// Partial reports whether exposure of this kind leaves a containment partial.
func (k ExposureKind) Partial() bool {
	switch k {
	case UnchangeableInterface, ACLFull, NoSlotBelowAllow, ForeignACL, OmittedPeers, RecordFull, FailedStep:
		return true
	default:
		return false
	}
}
