package network

import "strings"

// A Machine is what keeps or gives up an instance and its evidence. EC2 shows it with
// the instance.
type Machine struct {
	Spot     bool     // EC2 may interrupt it
	Role     string   // the ARN of its instance profile, served by IMDS or not; empty without one
	Metadata string   // the state of the metadata endpoint: "enabled" or "disabled"
	Volumes  []Volume // those of EBS, in the order of their devices; an instance store is none
}

// A Volume is an EBS volume of an instance.
type Volume struct {
	ID      string
	Device  string
	Deleted bool // with the instance
}

// Text is what becomes of the volume when the instance is terminated, as answers and
// records have it.
func (v Volume) Text() string {
	fate := "keep"
	if v.Deleted {
		fate = "delete"
	}
	return v.Device + " " + v.ID + " " + fate
}

// ParseVolume reads what Text writes; false for any other text.
func ParseVolume(text string) (Volume, bool) {
	words := strings.Fields(text)
	if len(words) != 3 || words[2] != "keep" && words[2] != "delete" {
		return Volume{}, false
	}
	return Volume{Device: words[0], ID: words[1], Deleted: words[2] == "delete"}, true
}

// Ended reports whether the instance has been terminated, or is about to be.
func (i Instance) Ended() bool { return i.ended() }

// The tags by which those who may terminate an instance say that it is theirs.
const (
	// AutoScalingTag has the name of the instance's Auto Scaling group.
	// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
	AutoScalingTag = "aws:autoscaling:groupName"
	// NodeGroupTag has the name of the managed node group of EKS.
	// https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
	NodeGroupTag = "eks:nodegroup-name"
)

// KarpenterTags have the name of the node pool, or of the node's claim, in the order in
// which to look. https://karpenter.sh/docs/concepts/nodeclasses/#spectags
var KarpenterTags = []string{"karpenter.sh/nodepool", "karpenter.sh/nodeclaim", "karpenter.sh/provisioner-name"}

// The tags of snapshots.
const (
	IncidentTag = "tourniquet:incident" // the instance and the number of its containment: i-…#1
	FindingTag  = "tourniquet:finding"  // the id of the finding
)

// Looked reports whether the value of a step's attribute has been read.
func (n Network) Looked(step string) bool { _, read := n.Values[step]; return read }

// Same reports whether both are the same volume at the same device.
func (v Volume) Same(o Volume) bool { return v.ID == o.ID && v.Device == o.Device }
