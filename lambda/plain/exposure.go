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
	record.FailedStep:               "A step that EC2 refused",

	"host-not-managed":      "A host that SSM does not manage",
	"host-unconfirmed":      "No word from the host yet",
	"host-reports":          "What the host says of itself",
	"survivor":              "An address that still exchanges packets",
	"quarantine-leaks":      "New connections in spite of the quarantine",
	"isolation-not-allowed": "A subnet that was not isolated",
	"subnet-shared":         "An isolated subnet with another interface",
	"may-be-terminated":     "The instance may be terminated",
	"secondary-interface":   "A secondary interface without groups",
	"unreadable-finding":    "A part of the finding that is unreadable",
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
