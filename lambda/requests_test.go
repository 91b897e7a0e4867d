package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/network"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// A request is what one call asks IAM for one of its resources: EC2 wants each of
// them allowed. Ids are left out, so that many calls ask the same.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
type request struct {
	Role     string            `json:"role"` // the function's: contain or release
	Action   string            `json:"action"`
	Resource string            `json:"resource"`         // its type, or SERVICE:RESOURCE outside of EC2; "*" where an action has none
	Foreign  bool              `json:"foreign,omitzero"` // another account's, which shares its VPC
	Tags     map[string]string `json:"tags,omitempty"`   // that the resource has, ours only
	Sets     map[string]string `json:"sets,omitempty"`   // that the call sets or deletes
	Creating string            `json:"creating,omitempty"`

	// The attribute that the call changes, and its value where IAM is told.
	Attribute string `json:"attribute,omitempty"`
	Value     string `json:"value,omitempty"`
}

// requests are those of all scenarios. Package infra's tests read the file, and
// hold each against the role that the stack gives to the function.
type requests struct {
	mu   sync.Mutex
	seen map[string]bool
}

const requestsFile = "testdata/requests.json"

// add notes what the calls of one event ask for.
func (r *requests) add(event []byte, calls []simvpc.Call, w *world.World) {
	role := "contain"
	var cmd struct{ Command string }
	if json.Unmarshal(event, &cmd) == nil && (cmd.Command == release || cmd.Command == expire || cmd.Command == admit) {
		role = "release"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range calls {
		for _, q := range requestsOf(c, w) {
			q.Role = role
			line, _ := json.Marshal(q) // text only
			r.seen[string(line)] = true
		}
	}
}

// actions are those that were asked for, each once.
func (r *requests) actions(t *testing.T) []string {
	t.Helper()
	all := map[string]bool{}
	for line := range r.seen {
		var q request
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			t.Fatal(err)
		}
		all[q.Action] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// check compares them with the file; under -run, with a part of it.
func (r *requests) check(t *testing.T) {
	lines := slices.Sorted(maps.Keys(r.seen))
	text := "[\n" + strings.Join(lines, ",\n") + "\n]\n"
	if *update {
		if err := os.WriteFile(requestsFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	file, err := os.ReadFile(requestsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if !bytes.Contains(file, []byte(line)) {
			t.Errorf("%s lacks a request that is made; go test ./lambda -run Scenario -update rewrites it:\n%s", requestsFile, line)
		}
	}
}

// requestsOf are the requests of a call, by what it names.
func requestsOf(c simvpc.Call, w *world.World) []request {
	action, p := "ec2:"+c.Op, c.Params
	of := func(resource string, tags world.Tags, owner string) request {
		return request{Action: action, Resource: resource, Tags: ours(tags), Foreign: owner != "" && owner != w.Account}
	}
	switch {
	case c.Op == "SendCommand":
		document := request{Action: "ssm:SendCommand", Resource: "ssm:document/" + p.Get("DocumentName")}
		return []request{document, {Action: "ssm:SendCommand", Resource: "instance"}}
	case c.Op == "FilterLogEvents":
		return nil // the stack names its log group: its own rows hold what is allowed there
	case c.Op == "CreateFlowLogs":
		made := of("vpc-flow-log", nil, "")
		made.Sets = pairs(c, "TagSpecification.1.Tag")
		tagged := made
		tagged.Action, tagged.Creating = "ec2:CreateTags", c.Op
		return []request{made, tagged, of("network-interface", nil, "")}
	case c.Op == "CreateNetworkAcl":
		made := of("network-acl", nil, "")
		made.Sets = pairs(c, "TagSpecification.1.Tag")
		tagged := made
		tagged.Action, tagged.Creating = "ec2:CreateTags", c.Op
		return []request{made, tagged, of("vpc", nil, vpcOwner(w.VPC(p.Get("VpcId"))))}
	case c.Op == "ReplaceNetworkAclAssociation":
		return []request{byID(p.Get("NetworkAclId"), w, of), of("subnet", world.Tags{network.IsolateTag: network.IsolateValue}, "")}
	case c.Op == "DeleteFlowLogs":
		return []request{of("vpc-flow-log", world.Tags{network.RoleTag: flowlog.RoleValue}, "")}
	case c.Op == "GetCommandInvocation":
		return []request{{Action: "ssm:GetCommandInvocation", Resource: "*"}}
	case c.Op == "DescribeInstanceAttribute":
		return []request{of("instance", nil, "")}
	case c.Op == "ModifyInstanceAttribute":
		return attributeRequests(c, of)
	case c.Op == "DescribeAutoScalingInstances" || c.Op == "EnterStandby" || c.Op == "ExitStandby":
		return []request{scalingRequest(c)}
	case strings.HasSuffix(c.Op, "ApplicationStatusCheckSuppression"):
		return []request{of("instance", world.Tags{network.AutoScalingTag: "web"}, "")}
	case strings.HasPrefix(c.Op, "Describe"):
		return []request{{Action: action, Resource: "*"}}
	case c.Op == "CreateSecurityGroup":
		made := of("security-group", nil, "")
		made.Sets = pairs(c, "TagSpecification.1.Tag")
		tagged := made
		tagged.Action, tagged.Creating = "ec2:CreateTags", c.Op
		return []request{made, tagged, of("vpc", nil, vpcOwner(w.VPC(p.Get("VpcId"))))}
	case c.Op == "CreateTags" || c.Op == "DeleteTags":
		var all []request
		for _, id := range values(c, "ResourceId") {
			q := byID(id, w, of)
			q.Sets = pairs(c, "Tag")
			all = append(all, q)
		}
		return all
	}
	var all []request
	for _, name := range []string{"NetworkInterfaceId", "NetworkAclId", "GroupId"} {
		if id := p.Get(name); id != "" {
			all = append(all, byID(id, w, of))
		}
	}
	if i := w.Interface(p.Get("NetworkInterfaceId")); i != nil {
		all = append(all, of("instance", nil, ""), of("subnet", nil, vpcOwner(w.VPCOf(i))))
	}
	for _, id := range values(c, "SecurityGroupId") {
		all = append(all, byID(id, w, of))
	}
	if len(all) == 0 {
		panic("which resources does " + c.Op + " have? Say it here.")
	}
	return all
}

// scalingRequest is that of a call of Auto Scaling.
func scalingRequest(c simvpc.Call) request {
	resource := "*"
	if group := c.Params.Get("AutoScalingGroupName"); group != "" {
		resource = "autoscaling:autoScalingGroup:00000000-0000-4000-a000-000000000000:autoScalingGroupName/" + group
	}
	return request{Action: "autoscaling:" + c.Op, Resource: resource}
}

// attributeRequests are those of a change of an instance's attribute: of the instance,
// and of its volumes where the attribute is theirs.
func attributeRequests(c simvpc.Call, of func(string, world.Tags, string) request) []request {
	instance := of("instance", nil, "")
	for _, name := range []string{"DisableApiTermination", "InstanceInitiatedShutdownBehavior"} {
		if value := c.Params.Get(name + ".Value"); value != "" {
			instance.Attribute, instance.Value = name, value
			return []request{instance}
		}
	}
	instance.Attribute = "BlockDeviceMapping"
	return []request{instance, of("volume", nil, "")}
}

// byID is the request for a resource that a call names, which may be gone.
func byID(id string, w *world.World, of func(string, world.Tags, string) request) request {
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "i":
		return of("instance", nil, "")
	case "eni":
		return of("network-interface", nil, "")
	case "acl":
		if a := w.ACL(id); a != nil {
			return of("network-acl", a.Tags, a.Owner)
		}
		return of("network-acl", nil, "")
	case "sg":
		if g := w.Group(id); g != nil {
			return of("security-group", g.Tags, g.Owner)
		}
		return of("security-group", nil, "")
	default:
		panic("what is " + id + "?")
	}
}

// vpcOwner is the account that a VPC belongs to, if it is there.
func vpcOwner(v *world.VPC) string {
	if v == nil {
		return ""
	}
	return v.Owner
}

// ours are the tags that a policy's condition may ask for.
func ours(tags world.Tags) map[string]string {
	mine := map[string]string{}
	for k, v := range tags {
		if k == network.RoleTag || k == network.AutoScalingTag || k == network.IsolateTag {
			mine[k] = v
		}
	}
	return mine
}

// values are the members of a list in a call's parameters.
func values(c simvpc.Call, list string) []string {
	var all []string
	for n := 1; c.Params.Has(fmt.Sprintf("%s.%d", list, n)); n++ {
		all = append(all, c.Params.Get(fmt.Sprintf("%s.%d", list, n)))
	}
	return all
}

// pairs are the tags in a call's parameters; the values that differ from call to
// call are left out.
func pairs(c simvpc.Call, list string) map[string]string {
	tags := map[string]string{}
	for n := 1; c.Params.Has(fmt.Sprintf("%s.%d.Key", list, n)); n++ {
		key, value := c.Params.Get(fmt.Sprintf("%s.%d.Key", list, n)), c.Params.Get(fmt.Sprintf("%s.%d.Value", list, n))
		if key != network.RoleTag {
			value = "…"
		}
		tags[key] = value
	}
	return tags
}
