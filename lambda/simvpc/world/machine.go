package world

import "fmt"

// An Instance is a virtual machine.
type Instance struct {
	ID    string
	Type  string
	Image string // empty: one that follows from the type
	State string // pending, running, stopping, stopped, shutting-down, terminated
	// Operator is the service principal that operates it, as eks.amazonaws.com does
	// the nodes of EKS Auto Mode; its interfaces too, then
	// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html).
	Operator string

	Spot            bool
	Protected       bool   // against termination by the API
	Shutdown        string // what a shutdown from inside does: stop or terminate
	Profile         string // name of its instance profile, empty without one
	ProfileChanging bool   // the association of the profile is not settled
	MetadataOff     bool   // the endpoint of the metadata service is disabled

	Managed  bool // by Systems Manager: an agent runs there, with permission
	Windows  bool
	Isolated bool // by rules of its own: nothing passes but its agent; a restart clears them

	AutoScaling string // name of its group, empty without one
	Lifecycle   string // its state in the group, such as InService
	Pinned      bool   // protected from scale-in
	HealthPort  int    // where health checks reach it; 0 when nothing checks
	Checked     bool   // an application status check does
	Suppressed  bool   // its application status checks are suppressed

	Tags Tags
}

// fields are the parts of an instance's line behind its ID.
func (i *Instance) fields() []field {
	return []field{
		mustText("type", &i.Type),
		choiceAlways("state", &i.State, "pending", "running", "stopping", "stopped", "shutting-down", "terminated"),
		text("image", &i.Image, ""), text("operator", &i.Operator, ""),
		flagged("spot", &i.Spot), flagged("protected", &i.Protected),
		choice("shutdown", &i.Shutdown, "stop", "stop", "terminate"),
		text("profile", &i.Profile, ""), flagged("profile-changing", &i.ProfileChanging),
		flagged("no-metadata", &i.MetadataOff),
		flagged("ssm", &i.Managed), flagged("windows", &i.Windows), flagged("isolated", &i.Isolated),
		text("autoscaling", &i.AutoScaling, ""),
		choice("lifecycle", &i.Lifecycle, derivedLifecycle(i), lifecycles...),
		flagged("pinned", &i.Pinned), number("health-port", &i.HealthPort, 0),
		flagged("status-check", &i.Checked), flagged("suppressed", &i.Suppressed),
		tagged(&i.Tags),
	}
}

// The states of an instance in its group, as far as they matter here
// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html).
const (
	InService = "InService"
	Standby   = "Standby"
)

var lifecycles = []string{"Pending", InService, "EnteringStandby", Standby, "Terminating", "Detaching"}

func derivedLifecycle(i *Instance) string {
	if i.AutoScaling == "" {
		return ""
	}
	return InService
}

// A Volume is an EBS volume.
type Volume struct {
	ID        string
	Instance  string // empty when it is attached to none
	Device    string // such as /dev/xvda
	Root      bool
	Keep      bool // survives the termination of its instance
	Size      int  // in GiB
	Encrypted bool
	Modifying bool // a change of its size or type is under way
	Tags      Tags
}

func (v *Volume) fields() []field {
	return []field{
		flagged("root", &v.Root), flagged("keep", &v.Keep), number("size", &v.Size, defaultVolumeSize),
		flagged("encrypted", &v.Encrypted), flagged("modifying", &v.Modifying), tagged(&v.Tags),
	}
}

const defaultVolumeSize = 8 // GiB

// A Snapshot is a copy of a volume at one moment.
type Snapshot struct {
	ID          string
	Volume      string
	State       string // pending, completed, error
	Size        int    // of the volume, in GiB
	Encrypted   bool
	Description string
	Tags        Tags
}

func (s *Snapshot) fields() []field {
	return []field{
		choice("state", &s.State, "completed", "pending", "completed", "error"), number("size", &s.Size, defaultVolumeSize),
		flagged("encrypted", &s.Encrypted), text("description", &s.Description, ""), tagged(&s.Tags),
	}
}

// A FlowLog records the traffic of an interface, a subnet or a VPC in a log group
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FlowLog.html).
type FlowLog struct {
	ID       string
	Resource string
	LogGroup string
	Role     string // ARN of the role that delivers
	Interval int    // of aggregation, in seconds: 60 or 600
	Traffic  string // ACCEPT, REJECT or ALL
	Format   string // empty: the default format
	Tags     Tags
}

func (f *FlowLog) fields() []field {
	return []field{
		mustText("group", &f.LogGroup), text("role", &f.Role, ""), number("interval", &f.Interval, defaultInterval),
		choice("traffic", &f.Traffic, "ALL", "ACCEPT", "REJECT", "ALL"), text("format", &f.Format, ""), tagged(&f.Tags),
	}
}

const defaultInterval = 600 // seconds

// An AutoScalingGroup keeps a number of instances in service, and terminates those
// that are unhealthy.
type AutoScalingGroup struct {
	Name              string
	Min, Max, Desired int
	Health            string // what counts beside the instance's state: EC2 for nothing, or ELB
	Deleting          bool
}

func (g *AutoScalingGroup) fields() []field {
	return []field{
		numberAlways("min", &g.Min), numberAlways("max", &g.Max), numberAlways("desired", &g.Desired),
		choice("health", &g.Health, "EC2", "EC2", "ELB"), flagged("deleting", &g.Deleting),
	}
}

// choiceAlways and numberAlways are fields that are always printed.
func choiceAlways(word string, v *string, words ...string) field {
	f := choice(word, v, "", words...)
	f.print = func() string { return word + " " + quote(*v) }
	return f
}

func numberAlways(word string, v *int) field {
	f := number(word, v, 0)
	f.print = func() string { return fmt.Sprintf("%s %d", word, *v) }
	return f
}
