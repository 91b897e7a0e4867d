package plain

import (
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// shown is how many names a sentence lists before it counts the rest.
const shown = 4

// nouns name what a step of a kind is, whatever its state.
var nouns = map[record.Kind]string{
	record.KindQuarantine: "quarantine",
	record.KindTracking:   "shorter tracking of idle connections",
	record.KindIsolation:  "isolation",
	record.KindHost:       "closing of connections on the host itself",
	record.KindFlowLog:    "flow log, to find survivors",
	record.KindStandby:    "standby, so that its group does not terminate it",
	record.KindChecks:     "suppression of status checks",
	record.KindProtection: "protection against termination",
	record.KindSnapshot:   "snapshots",
	record.KindProfile:    "a role that may do nothing",
	record.KindMetadata:   "metadata service off",
}

// Step names what one step does. It is true in every state: the state says whether it
// is done, planned, refused or undone.
func Step(s answer.StepAnswer) string {
	resource := Line(s.Resource, maxWord)
	noun, known := nouns[s.Kind]
	switch {
	case s.Kind == record.KindDenial:
		return fmt.Sprintf("denial of %s, %s in %s, rule %d", Address(s.Prefix), way(s.Direction), resource, s.Number)
	case s.Kind == record.KindQuarantine && len(s.After) > 0:
		return fmt.Sprintf("%s of %s, by %s", noun, resource, Line(strings.Join(s.After, " "), maxWord))
	case known:
		return fmt.Sprintf("%s: %s", noun, resource)
	default:
		return fmt.Sprintf("%s: %s", Line(string(s.Kind), maxWord), resource)
	}
}

// Cut says what the steps in force, or planned, keep from flowing: the quarantined
// interfaces first, then each denied address, then the rest.
func Cut(steps []answer.StepAnswer) []string {
	var quarantined, lines []string
	var prefixes []string
	at := map[string][]answer.StepAnswer{}
	for _, s := range steps {
		switch {
		case !inForce(s.State):
		case s.Kind == record.KindQuarantine:
			quarantined = append(quarantined, Line(s.Resource, maxWord))
		case s.Kind == record.KindDenial:
			if len(at[s.Prefix]) == 0 {
				prefixes = append(prefixes, s.Prefix)
			}
			at[s.Prefix] = append(at[s.Prefix], s)
		case s.Kind == record.KindIsolation:
			lines = append(lines, fmt.Sprintf("nothing crosses the edge of %s", Line(s.Resource, maxWord)))
		}
	}
	if len(quarantined) > 0 {
		verb := "is"
		if len(quarantined) > 1 {
			verb = "are"
		}
		lines = append(lines, fmt.Sprintf("%s %s in quarantine: no new connection, in or out", Some(quarantined, shown), verb))
	}
	for _, p := range prefixes {
		lines = append(lines, deniedText(p, at[p]))
	}
	return lines
}

// deniedText says where an address is denied, and in which directions.
func deniedText(prefix string, steps []answer.StepAnswer) string {
	var acls []string
	ways := map[string]bool{}
	for _, s := range steps {
		ways[string(s.Direction)] = true
		if !slices.Contains(acls, s.Resource) {
			acls = append(acls, s.Resource)
		}
	}
	both := "both ways"
	if len(ways) == 1 {
		both = way(steps[0].Direction) + " only"
	}
	return fmt.Sprintf("%s is denied %s in %s", Address(prefix), both, Some(acls, shown))
}

// way names a direction as an adverb.
func way(d network.Direction) string { return string(d) + "bound" }

// inForce reports whether a step of this state keeps something from flowing, or
// would once it is carried out.
func inForce(s record.State) bool {
	return s == record.Applied || s == record.Lingering || s == record.Planned || s == record.Pending
}

// Lingering are the addresses that stay denied after a release, each until a moment,
// as RFC 3339 has it.
func Lingering(steps []answer.StepAnswer) map[string]string {
	until := map[string]string{}
	for _, s := range steps {
		if s.State == record.Lingering && s.Until > until[s.Prefix] {
			until[s.Prefix] = s.Until
		}
	}
	return until
}

// Denied counts the addresses and prefixes that steps in force deny.
func Denied(steps []answer.StepAnswer) int {
	seen := map[string]bool{}
	for _, s := range steps {
		if s.Kind == record.KindDenial && (s.State == record.Applied || s.State == record.Lingering) {
			seen[s.Prefix] = true
		}
	}
	return len(seen)
}
