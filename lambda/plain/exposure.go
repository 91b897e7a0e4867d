package plain

import (
	"strings"

	"tourniquet/lambda/record"
)

// exposures are short titles by kind, in the contract's order of section 4: the
// detail of an exposure says the rest.
var exposures = map[record.ExposureKind]string{
	record.SameSubnetPeer:           "A peer in the same subnet",
	record.SharedInfrastructurePeer: "A peer that is shared infrastructure",
	record.ExemptPeer:               "A peer that is exempt",
	record.UndeniablePeer:           "A peer that no network ACL can deny",
	record.OwnInstancePeer:          "A peer of this account",
	record.UnreadablePeer:           "A peer whose address is unreadable",
	record.UnknownPeers:             "Older connections with unknown addresses",
	record.OneDirection:             "A peer denied in one direction only",
	record.MayRevive:                "A connection that may revive",
	record.UnclaimedDenial:          "A deny entry that may be Tourniquet's",
	record.ResolverDNS:              "DNS through the VPC's resolver",
	record.IMDSCredentials:          "Credentials of the instance's role",
	record.UnchangeableInterface:    "An interface that keeps its groups",
	record.ACLFull:                  "No room in a network ACL",
	record.NoSlotBelowAllow:         "No free rule number below an allow",
	record.ForeignACL:               "A network ACL of another account",
	record.OmittedPeers:             "More peers than are recorded",
	record.RecordFull:               "More denials than the record can hold",
	record.LeftOut:                  "Details that the record has no room for",
	record.FailedStep:               "A step that EC2 refused",

	record.HostNotManaged:      "A host that SSM does not manage",
	record.HostUnconfirmed:     "No word from the host yet",
	record.HostReports:         "What the host says of itself",
	record.SurvivingPeer:       "An address that still exchanges packets",
	record.QuarantineLeaks:     "New connections in spite of the quarantine",
	record.IsolationNotAllowed: "A subnet that was not isolated",
	record.SubnetShared:        "An isolated subnet with another interface",
	"may-be-terminated":        "The instance may be terminated",
	"forensics-admitted":       "Forensics that a person let in",
	"secondary-interface":      "A secondary interface without groups",
	"unreadable-finding":       "A part of the finding that is unreadable",
}

// Exposure is a short title of a kind of residual exposure. A kind that this
// program does not know is named as it is written.
func Exposure(k record.ExposureKind) string {
	if title, ok := exposures[k]; ok {
		return title
	}
	return sentence(strings.ReplaceAll(Line(string(k), maxWord), "-", " "))
}

// sentence begins a text with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// statuses say how a containment stands.
var statuses = map[record.Status]string{
	record.Containing:         "being contained",
	record.Contained:          "contained",
	record.PartiallyContained: "contained in part",
	record.Releasing:          "being released",
	record.Released:           "released",
	record.Closed:             "closed: the instance is gone",
	record.Observed:           "observed only: nothing was changed",
}

// Status says how a containment stands. A status that this program does not know
// is named as it is written.
func Status(s record.Status) string {
	if words, ok := statuses[s]; ok {
		return words
	}
	return Line(string(s), maxWord)
}

// adviceTexts says what a person can do about a kind of exposure.
var adviceTexts = map[record.ExposureKind]string{
	record.SameSubnetPeer:           "Contain the peer too, or let the instance be alone in its subnet.",
	record.SharedInfrastructurePeer: "Look at what is behind it: the load balancer, gateway or endpoint forwards for others.",
	record.ExemptPeer:               "Take the address out of the list that is never denied, if it is hostile.",
	record.UndeniablePeer:           "Stop the instance, if this matters.",
	record.OwnInstancePeer:          "Look at that instance: contain it, if it is compromised too.",
	record.UnreadablePeer:           "Read the finding, and contain again with the address.",
	record.UnknownPeers:             "Look for survivors in the flow logs, or stop the instance.",
	record.OneDirection:             "Make room in the network ACL; the next reconcile denies the other direction.",
	record.MayRevive:                "Restart what listens on the instance, so that the old connection cannot go on.",
	record.UnclaimedDenial:          "Compare the entry with the ACL's owner's, and remove it by hand if nobody needs it.",
	record.ResolverDNS:              "Block the domain with Route 53 Resolver DNS Firewall, or stop the instance.",
	record.IMDSCredentials:          "Revoke the role's sessions, or replace the instance profile.",
	record.UnchangeableInterface:    "Isolate it where its service is managed.",
	record.ACLFull:                  "Merge entries of the ACL, or have its quota raised; the next reconcile denies the peer.",
	record.NoSlotBelowAllow:         "Move the ACL's first allow to a higher number; the next reconcile denies the peer.",
	record.ForeignACL:               "Ask the account that owns the VPC to deny the address.",
	record.OmittedPeers:             "Deny the others by a rule of your own.",
	record.LeftOut:                  "Read the history and the findings.",
	record.RecordFull:               "Deny the others by a rule of your own.",
	record.FailedStep:               "See why EC2 refuses, and reconcile.",
	record.SurvivingPeer:            "Deny the address: contain again and name it as a peer.",
	record.QuarantineLeaks:          "Look at the interface's groups at once: somebody may change them back.",
	record.HostNotManaged:           "Nothing was done on the host. Stop it, if the connection must end now.",
	record.HostUnconfirmed:          "Wait for the next reconcile, which asks the host again.",
	record.HostReports:              "Do not rely on it: a compromised host may say anything.",
	record.IsolationNotAllowed:      "Tag the subnet tourniquet:isolate=allowed, if the instance is alone in it.",
	record.SubnetShared:             "Move the other interface to another subnet: it has no network here.",
	record.ForensicsAdmitted:        "Admit without a group, once the work is done.",
	"may-be-terminated":             "Stop the scaling of its group, or snapshot its volumes now.",
	"secondary-interface":           "Look at that interface by hand.",
	"unreadable-finding":            "Read the finding in GuardDuty.",
}

// Advice says what a person can do about a kind of exposure; empty where this program
// has none.
func Advice(k record.ExposureKind) string { return adviceTexts[k] }

// reasons are why traffic of a kind of exposure may still flow, in a few words: for a
// picture's labels.
var reasons = map[record.ExposureKind]string{
	record.SameSubnetPeer:           "inside the subnet no ACL is evaluated",
	record.SharedInfrastructurePeer: "the whole subnet uses it",
	record.ExemptPeer:               "it is never denied",
	record.UndeniablePeer:           "no network ACL denies it",
	record.UnreadablePeer:           "its address is unreadable",
	record.UnknownPeers:             "no finding names their addresses",
	record.OneDirection:             "the ACL has room in one direction only",
	record.MayRevive:                "its denial was removed by force",
	record.ResolverDNS:              "groups and ACLs do not filter it",
	record.IMDSCredentials:          "groups and ACLs do not filter it",
	record.UnchangeableInterface:    "a service alone can change it",
	record.ACLFull:                  "the quota of entries is used up",
	record.NoSlotBelowAllow:         "an allow comes first",
	record.ForeignACL:               "another account owns the ACL",
	record.OmittedPeers:             "there are too many",
	record.RecordFull:               "the record has no room for another denial",
	record.FailedStep:               "EC2 refused it",
	record.SurvivingPeer:            "it was seen in the flow logs",
	record.QuarantineLeaks:          "new connections were seen",
	record.HostUnconfirmed:          "the host has not answered",
}

// Reason is why traffic of a kind of exposure may still flow, in a few words; empty
// where the kind's title says it.
func Reason(k record.ExposureKind) string { return reasons[k] }
