package ec2

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/flowlog"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// flowLogResources is the most resources that one CreateFlowLogs takes
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html).
const flowLogResources = 300

type unsuccessful struct {
	Resource string `xml:"resourceId"`
	Code     string `xml:"error>code"`
	Message  string `xml:"error>message"`
}

func refused(id string, err error) unsuccessful {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return unsuccessful{id, e.Code, e.Message}
	}
	return unsuccessful{id, "InternalError", err.Error()}
}

// createFlowLogs makes a flow log for each resource. What goes wrong with one of
// them is in an answer that is a success otherwise.
func createFlowLogs(r *request) (answer, error) {
	template, err := r.newFlowLog()
	if err != nil {
		return nil, err
	}
	resources := r.p.list("ResourceId")
	if len(resources) == 0 || len(resources) > flowLogResources {
		return nil, fail("InvalidParameterValue", "Want 1 to %d resources, not %d", flowLogResources, len(resources))
	}
	var failed []unsuccessful
	ids, err := r.once(func() (string, error) {
		var made []string
		for _, id := range resources {
			f, err := r.flowLogFor(id, template)
			if err != nil {
				failed = append(failed, refused(id, err))
				continue
			}
			made = append(made, f.ID)
		}
		return strings.Join(made, " "), nil
	})
	if err != nil {
		return nil, err
	}
	return &struct {
		reply
		Token  string            `xml:"clientToken,omitempty"`
		IDs    set[string]       `xml:"flowLogIdSet"`
		Failed set[unsuccessful] `xml:"unsuccessful"`
	}{Token: r.p.str("ClientToken"), IDs: set[string]{strings.Fields(ids)}, Failed: set[unsuccessful]{failed}}, nil
}

// newFlowLog is the flow log that a call describes, without ID and resource.
func (r *request) newFlowLog() (world.FlowLog, error) {
	f := world.FlowLog{
		LogGroup: r.p.str("LogGroupName"), Role: r.p.str("DeliverLogsPermissionArn"),
		Traffic: cmp.Or(r.p.str("TrafficType"), "ALL"), Format: r.p.str("LogFormat"),
	}
	if _, name, ok := strings.Cut(r.p.str("LogDestination"), ":log-group:"); ok && f.LogGroup == "" {
		f.LogGroup = strings.TrimSuffix(name, ":*")
	}
	if kind := cmp.Or(r.p.str("LogDestinationType"), "cloud-watch-logs"); kind != "cloud-watch-logs" {
		return f, fail("UnsupportedOperation", "simvpc delivers flow logs to cloud-watch-logs only, not to %s", kind)
	}
	switch {
	case f.LogGroup == "":
		return f, fail("MissingParameter", "The request must contain the parameter LogGroupName or LogDestination")
	case f.Role == "":
		return f, fail("InvalidParameter", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs")
	case !slices.Contains([]string{"ACCEPT", "REJECT", "ALL"}, f.Traffic):
		return f, fail("InvalidParameter", "Invalid traffic type %s", f.Traffic)
	}
	if err := flowlog.CheckFormat(f.Format); err != nil {
		return f, fail("InvalidParameter", "%s", err)
	}
	var err error
	if f.Interval, _, err = r.p.integer("MaxAggregationInterval"); err != nil {
		return f, err
	}
	if f.Interval = cmp.Or(f.Interval, 600); f.Interval != 60 && f.Interval != 600 {
		return f, fail("InvalidParameter", "Invalid Flow Log Max Aggregation Interval %d", f.Interval)
	}
	f.Tags, err = r.p.tagsFor(kindFL.name)
	return f, err
}

// flowLogFor makes the flow log of one resource.
func (r *request) flowLogFor(id string, f world.FlowLog) (*world.FlowLog, error) {
	var err error
	switch kind := r.p.str("ResourceType"); kind {
	case "NetworkInterface":
		_, err = one(kindENI, id, r.w.Interface)
	case "Subnet":
		_, err = one(kindSub, id, r.w.Subnet)
	case "VPC":
		_, err = one(kindVPC, id, r.w.VPC)
	default:
		return nil, fail("InvalidParameter", "Unknown resource type provided: %s", kind)
	}
	if err != nil {
		return nil, err
	}
	f.Resource = id
	same := func(other *world.FlowLog) bool {
		return other.Resource == id && other.LogGroup == f.LogGroup && other.Traffic == f.Traffic &&
			other.Interval == f.Interval && other.Format == f.Format
	}
	if world.Find(r.w.FlowLogs, same) != nil {
		return nil, fail("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
	}
	f.ID = r.newID("fl-")
	r.w.FlowLogs = append(r.w.FlowLogs, &f)
	return &f, nil
}

type flowLogShape struct {
	ID          string        `xml:"flowLogId"`
	Resource    string        `xml:"resourceId"`
	Status      string        `xml:"flowLogStatus"`
	Delivery    string        `xml:"deliverLogsStatus"`
	Type        string        `xml:"logDestinationType"`
	Destination string        `xml:"logDestination"`
	Group       string        `xml:"logGroupName"`
	Role        string        `xml:"deliverLogsPermissionArn"`
	Traffic     string        `xml:"trafficType"`
	Format      string        `xml:"logFormat"`
	Interval    int           `xml:"maxAggregationInterval"`
	Created     string        `xml:"creationTime"`
	Tags        set[tagShape] `xml:"tagSet"`
}

func shapeOfFlowLog(w *world.World, f *world.FlowLog) flowLogShape {
	return flowLogShape{
		ID: f.ID, Resource: f.Resource, Status: "ACTIVE", Delivery: "SUCCESS", Type: "cloud-watch-logs",
		Destination: fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", w.Region, w.Account, f.LogGroup),
		Group:       f.LogGroup, Role: f.Role, Traffic: f.Traffic, Format: cmp.Or(f.Format, flowlog.DefaultFormat), Interval: f.Interval,
		Created: epoch, Tags: shapeOfTags(f.Tags),
	}
}

var flowLogs = catalogue[*world.FlowLog]{
	kind: kindFL, ids: "FlowLogId",
	id:   func(f *world.FlowLog) string { return f.ID },
	tags: func(f *world.FlowLog) world.Tags { return f.Tags },
	fields: map[string]func(*world.World, *world.FlowLog) []string{
		"flow-log-id":          func(_ *world.World, f *world.FlowLog) []string { return []string{f.ID} },
		"resource-id":          func(_ *world.World, f *world.FlowLog) []string { return []string{f.Resource} },
		"log-group-name":       func(_ *world.World, f *world.FlowLog) []string { return []string{f.LogGroup} },
		"traffic-type":         func(_ *world.World, f *world.FlowLog) []string { return []string{f.Traffic} },
		"log-destination-type": func(*world.World, *world.FlowLog) []string { return []string{"cloud-watch-logs"} },
		"deliver-log-status":   func(*world.World, *world.FlowLog) []string { return []string{"SUCCESS"} },
	},
}

func describeFlowLogs(r *request) (answer, error) {
	found, next, err := flowLogs.describe(r, r.w.FlowLogs)
	return &struct {
		reply
		FlowLogs set[flowLogShape] `xml:"flowLogSet"`
		Next     string            `xml:"nextToken,omitempty"`
	}{FlowLogs: setOf(found, func(f *world.FlowLog) flowLogShape { return shapeOfFlowLog(r.w, f) }), Next: next}, err
}

// deleteFlowLogs deletes flow logs; those that are gone are in an answer that is a
// success otherwise.
func deleteFlowLogs(r *request) (answer, error) {
	ids := r.p.list("FlowLogId")
	if len(ids) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter FlowLogId")
	}
	var failed []unsuccessful
	for _, id := range ids {
		f, err := one(kindFL, id, func(id string) *world.FlowLog {
			return world.Find(r.w.FlowLogs, func(f *world.FlowLog) bool { return f.ID == id })
		})
		if err != nil {
			failed = append(failed, refused(id, err))
			continue
		}
		r.w.FlowLogs = slices.DeleteFunc(r.w.FlowLogs, func(other *world.FlowLog) bool { return other == f })
	}
	return &struct {
		reply
		Failed set[unsuccessful] `xml:"unsuccessful"`
	}{Failed: set[unsuccessful]{failed}}, nil
}
