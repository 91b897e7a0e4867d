package record

import "slices"

// The values that keep an instance, as steps have them.
const (
	StandbyValue    = "Standby"    // the state of an instance in its Auto Scaling group
	SuppressedValue = "suppressed" // what application status checks say
	DisabledValue   = "disabled"   // of the metadata endpoint
)

// The attributes of an instance that protect it, by EC2's names of them.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
const (
	TerminationAttribute = "disableApiTermination"
	ShutdownAttribute    = "instanceInitiatedShutdownBehavior"
	VolumesAttribute     = "blockDeviceMapping"
)

// Keeps reports whether steps of this kind keep an instance and its evidence, or what
// it may do in the account, instead of shaping its traffic.
func (k Kind) Keeps() bool { return slices.Contains(Keeping, k) }

// Keeping are the kinds of step that keep an instance.
var Keeping = []Kind{KindStandby, KindChecks, KindProtection, KindSnapshot, KindProfile, KindMetadata}

// StandbyOf is the step that puts an instance on standby in its Auto Scaling group,
// which then neither checks nor terminates it. Before is its state in the group.
func StandbyOf(instance string, before ...string) Replacement {
	return Replacement{Of: KindStandby, Resource: instance, Before: before, After: []string{StandbyValue}}
}

// ChecksOf is the step that suppresses the application status checks of an instance.
func ChecksOf(instance string, before ...string) Replacement {
	return Replacement{Of: KindChecks, Resource: instance, Before: before, After: []string{SuppressedValue}}
}

// ProtectionOf is the step that sets an attribute of an instance, so that neither it nor
// its volumes are deleted.
func ProtectionOf(instance, attribute string, before, after []string) Replacement {
	return Replacement{Of: KindProtection, Resource: instance, Name: attribute, Before: before, After: after}
}

// SnapshotOf is the step that copies the volumes of an instance. The copies carry tags,
// by which they are found again.
func SnapshotOf(instance string, tags map[string]string) Creation {
	return Creation{Of: KindSnapshot, Resource: instance, Tags: tags}
}

// ProfileOf is the step that replaces the instance profile of an instance. Both are ARNs.
func ProfileOf(instance, before, after string) Replacement {
	return Replacement{Of: KindProfile, Resource: instance, Before: []string{before}, After: []string{after}}
}

// MetadataOf is the step that switches the metadata endpoint of an instance off.
func MetadataOf(instance string, before ...string) Replacement {
	return Replacement{Of: KindMetadata, Resource: instance, Before: before, After: []string{DisabledValue}}
}
