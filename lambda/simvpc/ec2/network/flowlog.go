package network

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
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
func createFlowLogs(r *call.Request) (call.Answer, error) {
	template, err := newFlowLog(r)
	if err != nil {
		return nil, err
	}
	resources := r.Params.List("ResourceId")
	if len(resources) == 0 || len(resources) > flowLogResources {
		return nil, call.Fail("InvalidParameterValue", "Want 1 to %d resources, not %d", flowLogResources, len(resources))
	}
	var failed []unsuccessful
	ids, err := r.Once(func() (string, error) {
		var made []string
		for _, id := range resources {
			f, err := flowLogFor(r, id, template)
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
		call.Reply
		Token  string                 `xml:"clientToken,omitempty"`
		IDs    call.Set[string]       `xml:"flowLogIdSet"`
		Failed call.Set[unsuccessful] `xml:"unsuccessful"`
	}{Token: r.Params.Str("ClientToken"), IDs: call.Set[string]{Items: strings.Fields(ids)}, Failed: call.Set[unsuccessful]{Items: failed}}, nil
}

// newFlowLog is the flow log that a call describes, without ID and resource.
func newFlowLog(r *call.Request) (world.FlowLog, error) {
	f := world.FlowLog{
		LogGroup: r.Params.Str("LogGroupName"), Role: r.Params.Str("DeliverLogsPermissionArn"),
		Traffic: cmp.Or(r.Params.Str("TrafficType"), "ALL"), Format: r.Params.Str("LogFormat"),
	}
	if _, name, ok := strings.Cut(r.Params.Str("LogDestination"), ":log-group:"); ok && f.LogGroup == "" {
		f.LogGroup = strings.TrimSuffix(name, ":*")
	}
	if kind := cmp.Or(r.Params.Str("LogDestinationType"), "cloud-watch-logs"); kind != "cloud-watch-logs" {
		return f, call.Fail("UnsupportedOperation", "simvpc delivers flow logs to cloud-watch-logs only, not to %s", kind)
	}
	switch {
	case f.LogGroup == "":
		return f, call.Fail("MissingParameter", "The request must contain the parameter LogGroupName or LogDestination")
	case f.Role == "":
		return f, call.Fail("InvalidParameter", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs")
	case !slices.Contains([]string{"ACCEPT", "REJECT", "ALL"}, f.Traffic):
		return f, call.Fail("InvalidParameter", "Invalid traffic type %s", f.Traffic)
	}
	if err := flowlog.CheckFormat(f.Format); err != nil {
		return f, call.Fail("InvalidParameter", "%s", err)
	}
	var err error
	if f.Interval, _, err = r.Params.Integer("MaxAggregationInterval"); err != nil {
		return f, err
	}
	if f.Interval = cmp.Or(f.Interval, 600); f.Interval != 60 && f.Interval != 600 {
		return f, call.Fail("InvalidParameter", "Invalid Flow Log Max Aggregation Interval %d", f.Interval)
	}
	f.Tags, err = r.Params.TagsFor(call.KindFL.Name)
	return f, err
}

// flowLogFor makes the flow log of one resource.
func flowLogFor(r *call.Request, id string, f world.FlowLog) (*world.FlowLog, error) {
	var err error
	switch kind := r.Params.Str("ResourceType"); kind {
	case "NetworkInterface":
		_, err = call.One(call.KindENI, id, r.World.Interface)
	case "Subnet":
		_, err = call.One(call.KindSub, id, r.World.Subnet)
	case "VPC":
		_, err = call.One(call.KindVPC, id, r.World.VPC)
	default:
		return nil, call.Fail("InvalidParameter", "Unknown resource type provided: %s", kind)
	}
	if err != nil {
		return nil, err
	}
	f.Resource = id
	same := func(other *world.FlowLog) bool {
		return other.Resource == id && other.LogGroup == f.LogGroup && other.Traffic == f.Traffic &&
			other.Interval == f.Interval && other.Format == f.Format
	}
	if world.Find(r.World.FlowLogs, same) != nil {
		return nil, call.Fail("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
	}
	f.ID = r.NewID("fl-")
	r.World.FlowLogs = append(r.World.FlowLogs, &f)
	return &f, nil
}

type flowLogShape struct {
	ID          string                  `xml:"flowLogId"`
	Resource    string                  `xml:"resourceId"`
	Status      string                  `xml:"flowLogStatus"`
	Delivery    string                  `xml:"deliverLogsStatus"`
	Type        string                  `xml:"logDestinationType"`
	Destination string                  `xml:"logDestination"`
	Group       string                  `xml:"logGroupName"`
	Role        string                  `xml:"deliverLogsPermissionArn"`
	Traffic     string                  `xml:"trafficType"`
	Format      string                  `xml:"logFormat"`
	Interval    int                     `xml:"maxAggregationInterval"`
	Created     string                  `xml:"creationTime"`
	Tags        call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfFlowLog(w *world.World, f *world.FlowLog) flowLogShape {
	return flowLogShape{
		ID: f.ID, Resource: f.Resource, Status: "ACTIVE", Delivery: "SUCCESS", Type: "cloud-watch-logs",
		Destination: fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", w.Region, w.Account, f.LogGroup),
		Group:       f.LogGroup, Role: f.Role, Traffic: f.Traffic, Format: cmp.Or(f.Format, flowlog.DefaultFormat), Interval: f.Interval,
		Created: call.Epoch, Tags: call.ShapeOfTags(f.Tags),
	}
}

var flowLogs = call.Catalogue[*world.FlowLog]{
	Kind: call.KindFL, IDs: "FlowLogId",
	ID:   func(f *world.FlowLog) string { return f.ID },
	Tags: func(f *world.FlowLog) world.Tags { return f.Tags },
	Fields: map[string]func(*world.World, *world.FlowLog) []string{
		"flow-log-id":          func(_ *world.World, f *world.FlowLog) []string { return []string{f.ID} },
		"resource-id":          func(_ *world.World, f *world.FlowLog) []string { return []string{f.Resource} },
		"log-group-name":       func(_ *world.World, f *world.FlowLog) []string { return []string{f.LogGroup} },
		"traffic-type":         func(_ *world.World, f *world.FlowLog) []string { return []string{f.Traffic} },
		"log-destination-type": func(*world.World, *world.FlowLog) []string { return []string{"cloud-watch-logs"} },
		"deliver-log-status":   func(*world.World, *world.FlowLog) []string { return []string{"SUCCESS"} },
	},
}

func describeFlowLogs(r *call.Request) (call.Answer, error) {
	found, next, err := flowLogs.Describe(r, r.World.FlowLogs)
	return &struct {
		call.Reply
		FlowLogs call.Set[flowLogShape] `xml:"flowLogSet"`
		Next     string                 `xml:"nextToken,omitempty"`
	}{FlowLogs: call.SetOf(found, func(f *world.FlowLog) flowLogShape { return shapeOfFlowLog(r.World, f) }), Next: next}, err
}

// deleteFlowLogs deletes flow logs; those that are gone are in an answer that is a
// success otherwise.
func deleteFlowLogs(r *call.Request) (call.Answer, error) {
	ids := r.Params.List("FlowLogId")
	if len(ids) == 0 {
		return nil, call.Fail("MissingParameter", "The request must contain the parameter FlowLogId")
	}
	var failed []unsuccessful
	for _, id := range ids {
		f, err := call.One(call.KindFL, id, func(id string) *world.FlowLog {
			return world.Find(r.World.FlowLogs, func(f *world.FlowLog) bool { return f.ID == id })
		})
		if err != nil {
			failed = append(failed, refused(id, err))
			continue
		}
		r.World.FlowLogs = slices.DeleteFunc(r.World.FlowLogs, func(other *world.FlowLog) bool { return other == f })
	}
	return &struct {
		call.Reply
		Failed call.Set[unsuccessful] `xml:"unsuccessful"`
	}{Failed: call.Set[unsuccessful]{Items: failed}}, nil
}
